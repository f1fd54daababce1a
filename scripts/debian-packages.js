/**
 * The packages of Debian 12 that the tests need, each with a file that shows it is there. Other systems have the same
 * programs under other names.
 */
export const DEBIAN_PACKAGES = {
  bubblewrap: '/usr/bin/bwrap',
  caddy: '/usr/bin/caddy',
  'ceph-mon': '/usr/bin/ceph-mon',
  'ceph-osd': '/usr/bin/ceph-osd',
  chromium: '/usr/bin/chromium',
  clang: '/usr/bin/clang',
  'clamav-daemon': '/usr/sbin/clamd',
  curl: '/usr/bin/curl',
  'libclang-rt-14-dev-wasm32': '/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a',
  'libstd-rust-dev-wasm32': '/usr/lib/rustlib/wasm32-wasi',
  lld: '/usr/bin/wasm-ld',
  make: '/usr/bin/make',
  nginx: '/usr/sbin/nginx',
  pgbouncer: '/usr/sbin/pgbouncer',
  postgresql: '/usr/lib/postgresql',
  prometheus: '/usr/bin/promtool',
  python3: '/usr/bin/python3',
  radosgw: '/usr/bin/radosgw',
  'redis-server': '/usr/bin/redis-server',
  rustc: '/usr/bin/rustc',
  systemd: '/usr/bin/systemd-analyze',
  'wasi-libc': '/usr/lib/wasm32-wasi/libc.a',
};
