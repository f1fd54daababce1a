import { describe, expect, it } from '@jest/globals';
import wabtInit from 'wabt';
import { parseEnvironment } from '../config/index.js';
import { moduleLimits } from './module-limits.js';
import { policyRefusal, type PolicyRefusalCode } from './policy.js';
import { walkModule } from './wasm/section-walker.js';

const wabt = await wabtInit();

const MEMORY = '(memory (export "memory") 1)';
const START = '(func (export "_start"))';
const FD_WRITE = '(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))';

describe('policyRefusal', () => {
  it('lets a command for WASI preview 1 through', () => {
    expect(judge(`(module ${FD_WRITE} ${MEMORY} ${START})`)).toBeNull();
  });

  it('lets a module through that Emscripten built standalone, with memory growth', () => {
    const notify = '(import "env" "emscripten_notify_memory_growth" (func (param i32)))';
    expect(judge(`(module ${notify} ${MEMORY} ${START})`)).toBeNull();
  });

  it('lets a Go program of 20,000 functions through, whose table has 4,096 elements more', () => {
    expect(judge(`(module ${MEMORY} ${START} ${'(func)'.repeat(19_999)} (table 24096 funcref))`)).toBeNull();
  });

  it('lets a start function and further exports through', () => {
    expect(judge(`(module ${MEMORY} (func $f (export "_start") (export "then")) (start $f))`)).toBeNull();
  });

  const cases: [PolicyRefusalCode, string, string, RegExp][] = [
    ['FORBIDDEN_IMPORT_MODULE', 'system', `(import "my_System" "f" (func)) ${MEMORY} ${START}`, /"my_System"\."f"/],
    ['FORBIDDEN_IMPORT_MODULE', 'exec', `(import "exec" "run" (func)) ${MEMORY} ${START}`, /"exec"\."run"/],
    ['FORBIDDEN_IMPORT_MODULE', 'process', `(import "node:process" "f" (func)) ${MEMORY} ${START}`, /node:process/],
    ['FORBIDDEN_IMPORT_MODULE', 'kernel', `(import "kernel32" "f" (func)) ${MEMORY} ${START}`, /"kernel32"/],
    ['IMPORT_KIND_NOT_ALLOWED', 'a memory', `(import "env" "memory" (memory 1)) ${START}`, /--import-memory/],
    ['IMPORT_KIND_NOT_ALLOWED', 'a table', `(import "env" "t" (table 1 funcref)) ${MEMORY} ${START}`, /"env"\."t"/],
    ['IMPORT_KIND_NOT_ALLOWED', 'a global', `(import "env" "g" (global i32)) ${MEMORY} ${START}`, /global "env"/],
    ['UNKNOWN_IMPORT', 'an unknown module', `(import "wbg" "f" (func)) ${MEMORY} ${START}`, /without wasm-bindgen/],
    ['UNKNOWN_IMPORT', 'an unknown function', `(import "env" "f" (func)) ${MEMORY} ${START}`, /undefined symbol/],
    ['UNKNOWN_IMPORT', 'an inherited module', `(import "__proto__" "toString" (func)) ${MEMORY} ${START}`, /__proto__/],
    ['UNKNOWN_IMPORT', 'an inherited name', `(import "env" "constructor" (func)) ${MEMORY} ${START}`, /"constructor"/],
    [
      'IMPORT_SIGNATURE_MISMATCH',
      'a host function as another type',
      `(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i64) (result i32))) ${MEMORY} ${START}`,
      /as \(i32, i32, i32, i64\) -> \(i32\), but the host provides it as \(i32, i32, i32, i32\) -> \(i32\)/,
    ],
    ['MEMORY_MISSING', 'no memory', START, /Define one/],
    ['MEMORY_NOT_EXPORTED', 'a private memory', `(memory 1) ${START}`, /Export it as "memory"/],
    ['MEMORY_NOT_EXPORTED', 'a function in its place', `(memory 1) (func (export "memory")) ${START}`, /"memory"/],
    ['ENTRY_POINT_MISSING', 'a library', `${MEMORY} (func (export "run"))`, /main function/],
    [
      'ENTRY_POINT_MISSING',
      'a global in its place',
      `${MEMORY} (global (export "_start") i32 (i32.const 0))`,
      /_start/,
    ],
    ['ENTRY_POINT_SIGNATURE', 'parameters', `${MEMORY} (func (export "_start") (param i32))`, /\(i32\) -> \(\)/],
    [
      'ENTRY_POINT_SIGNATURE',
      'results',
      `${MEMORY} (func (export "_start") (result i32) i32.const 0)`,
      /\(\) -> \(i32\)/,
    ],
  ];
  it.each(cases)('refuses with %s: %s', (code, _, fields, advice) => {
    const refusal = judge(`(module ${fields})`);
    expect(refusal?.code).toBe(code);
    expect(refusal?.message).toMatch(advice);
  });
});

function judge(text: string): ReturnType<typeof policyRefusal> {
  const bytes = wabt.parseWat('module.wat', text).toBinary({}).buffer;
  const { module, refusal } = walkModule(bytes, moduleLimits(parseEnvironment({}).validation));
  expect(refusal).toBeNull();
  return policyRefusal(module);
}
