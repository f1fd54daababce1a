import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import wabtInit from 'wabt';
import { parseEnvironment } from '../../config/index.js';
import { moduleLimits } from '../module-limits.js';
import { meansDamaged } from '../wasm/refusal.js';
import { walkModule } from '../wasm/section-walker.js';
import { engineRefusal } from './engine.js';

const wabt = await wabtInit();
const LIMITS = moduleLimits(parseEnvironment({}).validation);

/** A little of everything, so that a changed byte can hit everything. */
const SEEDS = [
  '(module (memory (export "memory") 1) (func (export "_start")))',
  `(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1 4)
    (table 2 funcref)
    (global $calls (mut i64) (i64.const -5))
    (global f32 (f32.const 0.5))
    (func $main (export "_start") (local i32 f64)
      (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))
      (global.set $calls (i64.add (global.get $calls) (i64.const 1))))
    (func $begin (block (br_if 0 (i32.const 1)) (loop (nop))))
    (start $begin)
    (elem (i32.const 0) $main $begin)
    (elem funcref (ref.null func) (ref.func $main))
    (elem declare func $begin)
    (data (i32.const 8) "hello")
    (data "later"))`,
].map((text) => wabt.parseWat('seed.wat', text).toBinary({ write_debug_names: true }).buffer);

interface WebAssemblyApi {
  validate(bytes: Uint8Array): boolean;
  Module: { new (bytes: Uint8Array): object; imports(m: object): Described[]; exports(m: object): Described[] };
}
interface Described {
  module?: string;
  name: string;
  kind: string;
}
const { WebAssembly: api } = globalThis as unknown as { WebAssembly: WebAssemblyApi };

describe('walker and engine', () => {
  it('agree on tens of thousands of damaged modules', () => {
    const seen = { damaged: 0, invalid: 0, accepted: 0 };
    fc.assert(
      fc.property(mutant(), (bytes) => {
        const { module, refusal } = walkModule(bytes, LIMITS);
        const valid = api.validate(bytes);
        if (refusal) {
          if (!meansDamaged(refusal.code)) return;
          seen.damaged++;
          expect([refusal.code, valid]).toEqual([refusal.code, false]);
        } else if (engineRefusal(bytes)) {
          seen.invalid++;
          expect(valid).toBe(false);
        } else {
          seen.accepted++;
          expect(valid).toBe(true);
          const compiled = new api.Module(bytes);
          expect(module.imports).toMatchObject(api.Module.imports(compiled));
          expect(module.exports).toMatchObject(api.Module.exports(compiled));
        }
      }),
      { numRuns: 20_000 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5);
  });

  it('says where and why the engine rejects a module', () => {
    const module = wabt.parseWat('invalid.wat', '(module (func (result i32) (i64.const 1)))');
    const refusal = engineRefusal(module.toBinary({}).buffer);
    expect(refusal?.code).toBe('INVALID_MODULE');
    expect(refusal?.message).toMatch(/function #0.*i32.*i64/);
    expect(refusal?.offset).toBe(26);
  });
});

/**
 * A seed after one or two edits. Most happen inside a section whose length is then corrected, because an edit that
 * breaks the lengths is found at once and tries nothing behind it.
 */
function mutant(): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    section: fc.noBias(fc.nat(MOST_SECTIONS)),
    at: fc.noBias(fc.nat(9999)),
    inserted: fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 1 }), fc.uint8Array({ maxLength: 4 })),
    removed: fc.option(fc.nat(6), { nil: undefined }),
  });
  return fc.tuple(fc.constantFrom(...SEEDS), fc.array(edit, { minLength: 1, maxLength: 2 })).map(([seed, edits]) => {
    const parts = split(seed);
    for (const { section, at, inserted, removed = inserted.length } of edits) {
      const part = parts.at(section % (parts.length + 1));
      if (part) part.content = splice(part.content, at, inserted, removed);
      else parts.splice(0, parts.length, { content: splice(join(parts), at, inserted, removed) });
    }
    return Uint8Array.from(join(parts));
  });
}

const MOST_SECTIONS = 9999;

/** A section when it has an id, otherwise bytes as they are. */
interface Part {
  id?: number;
  content: number[];
}

/** The header, then the sections. */
function split(seed: Uint8Array): Part[] {
  const parts: Part[] = [{ content: [...seed.subarray(0, 8)] }];
  for (let offset = 8; offset < seed.length;) {
    const length = (seed[offset + 1] & 0x7f) | ((seed[offset + 1] >> 7) * (seed[offset + 2] << 7));
    const start = offset + (seed[offset + 1] < 0x80 ? 2 : 3);
    parts.push({ id: seed[offset], content: [...seed.subarray(start, start + length)] });
    offset = start + length;
  }
  return parts;
}

const join = (parts: readonly Part[]): number[] =>
  parts.flatMap(({ id, content }) => {
    if (id === undefined) return content;
    return [id, (content.length & 0x7f) | 0x80, content.length >> 7, ...content];
  });

function splice(bytes: readonly number[], at: number, inserted: Uint8Array, removed: number): number[] {
  const start = at % (bytes.length + 1);
  return [...bytes.slice(0, start), ...inserted, ...bytes.slice(start + removed)];
}
