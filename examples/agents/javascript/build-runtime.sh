#!/bin/sh
# Builds runtime.wasm from QuickJS 2021-03-27, whose C source the npm package qjsc carries. Needs npm, clang, lld, wasi-libc
# and libclang-rt-14-dev-wasm32. Only who changes runtime.c needs to run it.
set -e
cd "$(dirname "$0")"
npm install --prefix ../build --no-save --ignore-scripts --no-fund --no-audit qjsc@0.3.0
quickjs=../build/node_modules/qjsc/deps/quickjs_2021_03_27
# EMSCRIPTEN: no threads, no stack addresses. wasi-libc rounds in one way only, so the other two modes mean that one.
clang --target=wasm32-wasi -Os -w -mno-bulk-memory -D_GNU_SOURCE -DEMSCRIPTEN -DCONFIG_BIGNUM -DCONFIG_VERSION='"2021-03-27"' \
  -DFE_DOWNWARD=0 -DFE_UPWARD=0 -I"$quickjs" runtime.c \
  "$quickjs/quickjs.c" "$quickjs/libregexp.c" "$quickjs/libunicode.c" "$quickjs/cutils.c" "$quickjs/libbf.c" -lm \
  -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=1048576 -Wl,--export=agent_script -o runtime.wasm
