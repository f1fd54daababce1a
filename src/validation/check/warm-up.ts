import type { ModuleLimits } from '../wasm/limits.js';
import { walkModule } from '../wasm/section-walker.js';
import { engineRefusal } from './engine.js';

/**
 * Checks a made-up module repeatedly, so that the code is compiled and optimised before the real one. Without it, the
 * walk takes five to ten times as long. It takes some 30 ms, which a spare process has.
 */
export function warmUp(): void {
  const module = sample();
  for (let round = 0; round < ROUNDS; round++) {
    walkModule(module, UNLIMITED);
    engineRefusal(module);
  }
}

const ROUNDS = 12;
const FUNCTIONS = 300;
/** Two kinds of bodies: those whose length shows that they cannot nest deeply, and those whose bytes must be read. */
const SHORT_BODY = body(30);
const LONG_BODY = body(30_000);

/** Not many limits matter here; that on nesting makes the long bodies be looked at. */
const UNLIMITED = new Proxy({} as ModuleLimits, {
  get: (_, name) => (name === 'nesting' ? 10_000 : Number.MAX_SAFE_INTEGER),
});

/** A function, an export and a data segment of every kind of length there is. */
function sample(): Uint8Array {
  const bodies = Array.from({ length: FUNCTIONS }, (_, index) => (index % 30 ? SHORT_BODY : LONG_BODY));
  const names = Array.from({ length: FUNCTIONS }, (_, index) => Buffer.from(`f${index}`));
  return Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    section(1, [2, 0x60, 0, 0, 0x60, 2, 0x7f, 0x7e, 1, 0x7f]),
    section(3, [...leb(FUNCTIONS), ...Array<number>(FUNCTIONS).fill(0)]),
    section(4, [1, 0x70, 0, ...leb(FUNCTIONS)]),
    section(5, [1, 0, 1]),
    section(7, [...leb(FUNCTIONS), ...names.flatMap((name, index) => [name.length, ...name, 0, ...leb(index)])]),
    section(9, [1, 0, 0x41, 0, 0x0b, ...leb(FUNCTIONS), ...names.flatMap((_, index) => leb(index))]),
    section(10, leb(FUNCTIONS), ...bodies),
    section(11, [...leb(FUNCTIONS), ...names.flatMap((name) => [0, 0x41, 0, 0x0b, name.length, ...name])]),
  ]);
}

/** Two groups of locals, and additions. */
function body(bytes: number): Buffer {
  const add = [0x20, 0, 0x41, 0x7f, 0x6a, 0x21, 0];
  const content = [
    2,
    2,
    0x7f,
    1,
    0x7e,
    ...Array<number[]>(Math.ceil(bytes / add.length))
      .fill(add)
      .flat(),
    0x0b,
  ];
  return Buffer.from([...leb(content.length), ...content]);
}

function section(id: number, ...pieces: (readonly number[] | Buffer)[]): Buffer {
  const content = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  return Buffer.concat([Buffer.from([id, ...leb(content.length)]), content]);
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}
