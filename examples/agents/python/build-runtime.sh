#!/bin/sh
# Builds python.wasm from Debian 12's sources of CPython 3.11, zlib and tzdata. Run it after a change of runtime.c, boot.py,
# zones.py or freeze.py; agents need only the committed python.wasm. It takes about four minutes. Needs Debian 12 with:
#   apt-get install -y make dpkg-dev python3.11 clang llvm lld wasi-libc libclang-rt-14-dev-wasm32 binaryen
# The same packages give the same bytes, in any folder and on any day.
set -eu
cd "$(dirname "$0")"
here=$PWD
build=${BUILD:-$here/build}
for tool in make dpkg-source python3.11 clang llvm-ar wasm-ld zic wasm-opt; do # clang runs wasm-opt when it is there
  command -v "$tool" > /dev/null || { echo "build-runtime.sh: $tool is missing; see the head of this file." >&2; exit 1; }
done

# The source packages, by the system's own package sources and without a change of its lists.
mkdir -p "$build/apt/lists/partial" "$build/apt/sources.d"
cd "$build"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  test -f "$file" || continue
  sed -E 's/^deb /deb-src /; s/^Types: *deb$/Types: deb-src/' "$file" > "apt/sources.d/${file##*/}"
done
fetch() { # PACKAGE VERSION: unpacks its source into a folder of the same name
  test -d "$1" && return
  apt-get $apt -qq source "$1=$2" ||
    { echo "build-runtime.sh: $1 $2 is gone; put the version that Debian 12 has now into this file." >&2; exit 1; }
  mv "$1"-*/ "$1"
}
apt="-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$build/apt/sources.d -o Dir::State::lists=$build/apt/lists"
apt="$apt -o APT::Sandbox::User=root"
test -d python3.11 || apt-get $apt -qq update
fetch python3.11 3.11.2-6+deb12u8
fetch zlib 1:1.2.13.dfsg-1
fetch tzdata 2026b-0+deb12u1

export CC='clang --target=wasm32-wasi' CPP='clang --target=wasm32-wasi -E' AR=llvm-ar RANLIB=llvm-ranlib LDSHARED=wasm-ld
# No path of this machine in the binary.
export OPT="-DNDEBUG -fwrapv -O2 -w -ffile-prefix-map=$build=."

mkdir -p libz && cd libz
for file in adler32 compress crc32 deflate inffast inflate inftrees trees uncompr zutil; do
  test -f $file.o || $CC $OPT -c "../zlib/$file.c" -o $file.o
done
test -f libz.a || llvm-ar rcD libz.a ./*.o

mkdir -p "$build/wasi" && cd "$build/wasi"
if ! test -f Makefile; then
  cp ../python3.11/Tools/wasm/config.site-wasm32-wasi "$build/config.site"
  # Left out: modules that need files, processes, sockets or threads, and libraries that Debian does not have for WASI.
  for module in _asyncio _bz2 _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _crypt _ctypes \
    _curses _curses_panel _dbm _gdbm _hashlib _lsprof _lzma _multibytecodec _multiprocessing _posixshmem \
    _posixsubprocess _scproxy _socket _sqlite3 _ssl _tkinter _uuid _xxsubinterpreters audioop fcntl grp mmap \
    nis ossaudiodev pwd readline resource select spwd syslog termios xxlimited xxlimited_35 xxsubtype; do
    echo "py_cv_module_$module=n/a"
  done >> "$build/config.site"
  CONFIG_SITE=$build/config.site PKG_CONFIG_LIBDIR=/nonexistent ZLIB_CFLAGS=-I../zlib ZLIB_LIBS='-L../libz -lz' \
    ../python3.11/configure -q --host=wasm32-unknown-wasi --build="$(dpkg-architecture -qDEB_BUILD_GNU_TYPE)" \
    --with-build-python=/usr/bin/python3.11 --disable-test-modules --with-hash-algorithm=siphash13 # not the weak default
  # configure leaves Python's own allocator out for WASI, where it works. The dates go into sys.version.
  sed -i 's|/\* #undef WITH_PYMALLOC \*/|#define WITH_PYMALLOC 1|' pyconfig.h
  printf '#define DATE "Jan 01 2023"\n#define TIME "00:00:00"\n' >> pyconfig.h
fi
make -s -j"$(nproc)" libpython3.11.a

# Time zones in their compact form, as one compressed table.
cd "$build/tzdata"
rm -rf "$build/zones" && zic -b slim -d "$build/zones" africa antarctica asia australasia europe northamerica \
  southamerica etcetera factory backward

cd "$here"
/usr/bin/python3.11 freeze.py "$build/python3.11/Lib" "$build/zones" > "$build/frozen.h"
clang --target=wasm32-wasi -mexec-model=reactor -nostartfiles -O2 -w -mno-bulk-memory -D_WASI_EMULATED_SIGNAL \
  -ffile-prefix-map="$here"=. -I"$build" -I"$build/python3.11/Include" -I"$build/wasi" runtime.c \
  "$build/wasi/libpython3.11.a" "$build/wasi/Modules/_decimal/libmpdec/libmpdec.a" "$build/wasi/Modules/expat/libexpat.a" \
  "$build/libz/libz.a" -lm -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks \
  -Wl,--no-entry -Wl,--wrap=free -Wl,--stack-first -Wl,-z,stack-size=2097152 -Wl,--strip-all -o python.wasm

# The licences of all that is in python.wasm.
mkdir -p licences
cp "$build/python3.11/LICENSE" licences/cpython.txt
cp "$build/python3.11/Modules/expat/COPYING" licences/expat.txt
sed -n '1,/\*\//p' "$build/python3.11/Modules/_decimal/libmpdec/mpdecimal.c" > licences/libmpdec.txt
sed -n '/Copyright notice:/,$p' "$build/zlib/README" > licences/zlib.txt
cp "$build/tzdata/LICENSE" licences/tzdata.txt
cp /usr/share/doc/wasi-libc/copyright licences/wasi-libc.txt
cp /usr/share/doc/libclang-rt-14-dev-wasm32/copyright licences/compiler-rt.txt

# A test compares these with the files: a change of one of them needs a new python.wasm.
sha256sum boot.py freeze.py runtime.c zones.py python.wasm > SHA256SUMS
