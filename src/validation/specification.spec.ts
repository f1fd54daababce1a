import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { modulesOf, type SpecifiedModule } from '../../test/support/wast.js';
import { parseEnvironment } from '../config/index.js';
import { engineRefusal } from './check/engine.js';
import { moduleLimits } from './module-limits.js';

import { ByteReader } from './wasm/byte-reader.js';
import { decodedNestingFault } from './wasm/nesting.js';
import { meansDamaged } from './wasm/refusal.js';
import { walkModule } from './wasm/section-walker.js';

const SCRIPTS = new URL('../../../test/fixtures/specification/', import.meta.url);
const LIMITS = moduleLimits(parseEnvironment({}).validation);
const { WebAssembly: engine } = globalThis as unknown as { WebAssembly: { validate(bytes: Uint8Array): boolean } };

const scripts = readdirSync(SCRIPTS).filter((name) => name.endsWith('.wast'));
const read = (name: string) => modulesOf(readFileSync(new URL(name, SCRIPTS), 'utf8'));

describe("the specification's own cases", () => {
  it.each(scripts)(
    '%s: what is malformed or invalid is refused, what is valid unless it uses what agents may not',
    (name) => {
      expect(
        read(name)
          .modules.map((module) => mistake(module))
          .filter(Boolean),
      ).toEqual([]);
    },
  );

  it('hold no instruction that the measure of nesting does not understand', () => {
    let bodies = 0;
    for (const { modules } of scripts.map(read)) {
      for (const { bytes } of modules.filter(({ says }) => says === 'valid')) {
        if (walkModule(bytes, LIMITS).refusal || !engine.validate(bytes)) continue;
        for (const [start, end] of bodiesOf(bytes)) {
          bodies++;
          expect(decodedNestingFault(bytes, start, end, Infinity)).toBeNull();
        }
      }
    }
    expect(bodies).toBeGreaterThan(1000);
  });

  it('are many', () => {
    const all = scripts.map(read);
    const count = (says: string) =>
      all.flatMap(({ modules }) => modules).filter((module) => module.says === says).length;
    expect(count('malformed')).toBeGreaterThan(300);
    expect(count('invalid')).toBeGreaterThan(900);
    expect(count('valid')).toBeGreaterThan(300);
    // Text of proposals that the assembler does not know yet.
    expect(all.reduce((sum, { unreadable }) => sum + unreadable, 0)).toBeLessThan(150);
  });
});

/** First byte behind the locals, and behind the body, of each function of a valid module. */
function bodiesOf(bytes: Uint8Array): [start: number, end: number][] {
  const CODE = 10;
  const reader = new ByteReader(bytes);
  reader.skip(8);
  const bodies: [number, number][] = [];
  while (!reader.atEnd) {
    const id = reader.u8();
    const length = reader.u32();
    const end = reader.offset + length;
    for (let count = id === CODE ? reader.u32() : 0; count > 0; count--) {
      const size = reader.u32();
      const bodyEnd = reader.offset + size;
      for (let groups = reader.u32(); groups > 0; groups--) {
        reader.u32();
        reader.skip(1);
      }
      bodies.push([reader.offset, bodyEnd]);
      reader.offset = bodyEnd;
    }
    reader.offset = end;
  }
  return bodies;
}

/** @returns what is wrong with the verdict on a module, or null */
function mistake({ bytes, says, reason, line }: SpecifiedModule): string | null {
  const { refusal } = walkModule(bytes, LIMITS);
  const verdict = refusal ?? engineRefusal(bytes);
  const where = `line ${line}, ${says} ${reason}`;
  if (says !== 'valid') return verdict ? null : `${where}: accepted`;
  if (!verdict) return null;
  // What is valid by the newest specification may be refused by an older engine, or because agents may not use it.
  if (refusal && meansDamaged(refusal.code)) return `${where}: ${refusal.code} ${refusal.message}`;
  return !refusal && engine.validate(bytes) ? `${where}: ${verdict.code} ${verdict.message}` : null;
}
