import { describe, expect, it } from '@jest/globals';
import loadWabt from 'wabt';
import { engine } from './engine.js';
import { compileObserved, observed, refusedBytes } from './observation.js';

const wabt = await loadWabt();
const FEATURES = { exceptions: true, simd: true, bulk_memory: true, tail_call: true, sign_extension: true };
const binary = (body: string, declarations = ''): Uint8Array =>
  wabt
    .parseWat(
      'a.wat',
      `(module (memory (export "memory") 1 2) ${declarations} (func (export "_start") ${body}))`,
      FEATURES,
    )
    .toBinary({}).buffer;

/** @returns bytes of growth that were refused in one run */
function refusedBy(bytes: Uint8Array): number | undefined {
  const observation = compileObserved(bytes);
  expect(observation.observed).toBe(true);
  const { exports } = new engine.Instance(observation.module, {});
  (exports['_start'] as () => void)();
  return refusedBytes(exports, observation);
}

const GROW = '(drop (memory.grow (i32.const 5)))';

describe('an observed module', () => {
  it('notes growth that was refused, and no other', () => {
    expect(refusedBy(binary(GROW))).toBe(5 * 65_536);
    expect(refusedBy(binary('(drop (memory.grow (i32.const 1)))'))).toBeUndefined();
    expect(refusedBy(binary('(drop (memory.grow (i32.const -1)))'))).toBe(0xffff_ffff * 65_536);
  });

  it('answers its own growth as before, and keeps its globals and functions', () => {
    const declarations = `(global $a (mut i32) (i32.const 7)) (func $same (param i32) (result i32) (local.get 0))
      (global (export "answer") (mut i32) (i32.const 0))`;
    const body = '(global.set 1 (i32.add (global.get $a) (call $same (memory.grow (i32.const 1)))))';
    const { module } = compileObserved(binary(body, declarations));
    const { exports } = new engine.Instance(module, {});
    (exports['_start'] as () => void)();
    expect((exports['answer'] as { value: number }).value).toBe(8);
  });

  it.each([
    ['blocks that hold the same two bytes', '(block (if (i32.const 0) (then unreachable)))', ''],
    [
      'constants that hold the same two bytes',
      '(drop (i32.const 64)) (drop (i64.const 0x40)) (drop (f64.const 2.5))',
      '',
    ],
    ['jumps through a table', '(block (block (br_table 0 1 0 (i32.const 0))))', ''],
    [
      'vectors',
      '(drop (i8x16.extract_lane_s 3 (v128.const i32x4 64 0 64 0))) (v128.store (i32.const 0) (v128.load (i32.const 0)))',
      '',
    ],
    [
      'bulk memory',
      '(memory.fill (i32.const 0) (i32.const 0) (i32.const 64)) (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))',
      '',
    ],
    ['exceptions', '(try (do (throw $e (i32.const 1))) (catch $e drop) (catch_all))', '(tag $e (param i32))'],
    ['calls through a table', '(call_indirect (i32.const 0))', '(table funcref (elem $f)) (func $f)'],
  ])('is read past %s', (_, body, declarations) => {
    expect(refusedBy(binary(`${body} ${GROW}`, declarations))).toBe(5 * 65_536);
  });

  it('is refused by the engine alone where it is cut off, without a fault of the reader', () => {
    const whole = binary(GROW);
    for (let length = 0; length < whole.length; length++) {
      expect(() => observed(whole.subarray(0, length))).not.toThrow();
    }
    expect(() => compileObserved(whole.subarray(0, whole.length - 1))).toThrow('WebAssembly.Module()');
  });
});
