import { type CompiledModule, engine, PAGE_BYTES } from './engine.js';
import { instructionEnd, readUnsigned } from './instructions.js';

/**
 * What the engine does not tell about an agent, and the agent's own globals do: whether growth of its memory was refused,
 * and whether the stack that C and Rust keep in linear memory has overflowed.
 *
 * `observed` adds a few globals to a module, makes each `memory.grow` note in them what was refused, and exports them
 * together with the stack pointer. Indices of functions and globals stay as they were. The agent cannot see any of it.
 */
export interface Observed {
  /** The module's bytes with the additions. */
  bytes: Uint8Array;
  /**
   * The lowest address that the stack may reach, where the module has such a stack: the end of the data below it. Linkers
   * put the stack pointer first among the globals.
   */
  stackFloor?: number;
}

export interface Observation {
  module: CompiledModule;
  stackFloor?: number;
  /** Whether `module` has the additions. */
  observed: boolean;
}

const SECTION = { import: 2, memory: 5, global: 6, export: 7, code: 10, data: 11 };
const REFUSED = 'zerostate:refused_pages';
const STACK_POINTER = 'zerostate:stack_pointer';
const I32 = 0x7f;
/** A stack smaller than that is none. */
const SMALLEST_STACK = 1024;

/** Compiles a module with the additions; without them where it has something that they do not fit. @throws Error of the engine */
export function compileObserved(bytes: Uint8Array): Observation {
  const additions = observed(bytes);
  if (additions) {
    try {
      return { module: new engine.Module(additions.bytes), stackFloor: additions.stackFloor, observed: true };
    } catch {
      // A module at one of the engine's limits, or with a fault of its own: its own bytes decide.
    }
  }
  return { module: new engine.Module(bytes), observed: false };
}

/** Bytes of the last growth that was refused; undefined: none was, or it cannot be known. */
export function refusedBytes(exports: Record<string, unknown>, { observed: known }: Observation): number | undefined {
  const pages = known ? valueOf(exports[REFUSED]) >>> 0 : 0;
  return pages > 0 ? pages * PAGE_BYTES : undefined;
}

export const stackHasOverflowed = (exports: Record<string, unknown>, { stackFloor }: Observation): boolean =>
  stackFloor !== undefined && valueOf(exports[STACK_POINTER]) < stackFloor;

const valueOf = (global: unknown): number => Number((global as { value: number }).value);

/** @returns undefined for a module that is malformed, or is not built as compilers build agents */
export function observed(bytes: Uint8Array): Observed | undefined {
  try {
    return withAdditions(bytes);
  } catch {
    return undefined;
  }
}

function withAdditions(bytes: Uint8Array): Observed | undefined {
  const sections = readSections(bytes);
  const contentOf = (wanted: number): Uint8Array | undefined => sections.find(({ id }) => id === wanted)?.content;
  const [code, exported] = [contentOf(SECTION.code), contentOf(SECTION.export)];
  if (
    !code ||
    !exported ||
    !importsFunctionsOnly(contentOf(SECTION.import)) ||
    !hasOneMemory(contentOf(SECTION.memory))
  )
    return undefined;
  const globals = contentOf(SECTION.global) ?? Uint8Array.of(0);
  const first = readUnsigned(globals, 0).value;
  const stackFloor = floorOfStack(globals, contentOf(SECTION.data));
  const exports = [exportOfGlobal(REFUSED, first + 2)];
  if (stackFloor !== undefined) exports.push(exportOfGlobal(STACK_POINTER, 0));
  const replaced = new Map<number, Uint8Array[]>([
    [SECTION.global, extended(globals, [NEW_GLOBAL, NEW_GLOBAL, NEW_GLOBAL])],
    [SECTION.export, extended(exported, exports)],
    [SECTION.code, notingRefusals(code, first)],
  ]);
  const pieces = sections.flatMap(({ id, content }) => {
    const own = section(id, replaced.get(id) ?? [content]);
    const misses = id === SECTION.export && !contentOf(SECTION.global);
    return misses ? [...section(SECTION.global, replaced.get(SECTION.global)!), ...own] : own;
  });
  return { bytes: Buffer.concat([bytes.subarray(0, HEADER_BYTES), ...pieces]), stackFloor };
}

const HEADER_BYTES = 8;
/** A mutable i32, 0 at first. */
const NEW_GLOBAL = Uint8Array.of(I32, 1, 0x41, 0, 0x0b);

/** A compiler writes some twenty. */
const MOST_SECTIONS = 200;

interface Section {
  id: number;
  content: Uint8Array;
}

function readSections(bytes: Uint8Array): Section[] {
  const sections: Section[] = [];
  for (let at = HEADER_BYTES; at < bytes.length;) {
    const { value: size, end } = readUnsigned(bytes, at + 1);
    if (sections.length === MOST_SECTIONS) throw new RangeError('too many sections');
    sections.push({ id: bytes[at], content: bytes.subarray(end, end + size) });
    at = end + size;
  }
  return sections;
}

/** Otherwise indices would begin elsewhere, and the server refuses the module anyway. */
function importsFunctionsOnly(content: Uint8Array | undefined): boolean {
  if (!content) return true;
  let { value: left, end: at } = readUnsigned(content, 0);
  for (; left > 0; left--) {
    for (let names = 0; names < 2; names++) {
      const { value: length, end } = readUnsigned(content, at);
      at = end + length;
    }
    if (content[at] !== 0) return false;
    at = readUnsigned(content, at + 1).end;
  }
  return true;
}

/** With addresses of 32 bits, as bit 2 of its flags says. */
const hasOneMemory = (content: Uint8Array | undefined): boolean =>
  content !== undefined && content[0] === 1 && (content[1] & 4) === 0;

/** @returns undefined when the first global is no stack pointer */
function floorOfStack(globals: Uint8Array, data: Uint8Array | undefined): number | undefined {
  const { value: count, end } = readUnsigned(globals, 0);
  if (count === 0 || globals[end] !== I32 || globals[end + 1] !== 1) return undefined;
  const top = constant(globals, end + 2);
  if (top === undefined || top.value < SMALLEST_STACK) return undefined;
  const below = segmentEnds(data).filter((address) => address <= top.value);
  const floor = Math.max(0, ...below);
  return top.value - floor >= SMALLEST_STACK ? floor : undefined;
}

/** Where the data ends that the module puts into its memory by itself. */
function segmentEnds(content: Uint8Array | undefined): number[] {
  if (!content) return [];
  const ends: number[] = [];
  let { value: left, end: at } = readUnsigned(content, 0);
  for (; left > 0; left--) {
    const flags = content[at++];
    let address: number | undefined;
    if (flags === 2) at = readUnsigned(content, at).end;
    if (flags !== 1) {
      const offset = constant(content, at);
      // A computed address, such as position-independent code has.
      if (!offset) return ends;
      ({ value: address, end: at } = offset);
    }
    const { value: length, end } = readUnsigned(content, at);
    if (address !== undefined) ends.push(address + length);
    at = end + length;
  }
  return ends;
}

/** The value of `i32.const n end`, if that is what stands at `at`. */
function constant(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  if (bytes[at] !== 0x41) return undefined;
  const { value, end } = readUnsigned(bytes, at + 1);
  const isNegative = (bytes[end - 1] & 0x40) !== 0;
  return bytes[end] === 0x0b && !isNegative ? { value, end: end + 1 } : undefined;
}

/** The code section, with every `memory.grow` followed by a note when it was refused. */
function notingRefusals(code: Uint8Array, firstGlobal: number): Uint8Array[] {
  const { end: start } = readUnsigned(code, 0);
  const pieces: Uint8Array[] = [];
  let copied = 0;
  // The two bytes of the instruction may also be part of others, so functions that have them are read.
  for (let at = start, next = find(code, start); next >= 0;) {
    const { value: size, end: body } = readUnsigned(code, at);
    const after = body + size;
    if (next < after) {
      const noting = withNotes(code.subarray(body, after), firstGlobal);
      if (noting) {
        pieces.push(code.subarray(copied, at), unsigned(lengthOf(noting)), ...noting);
        copied = after;
      }
      next = find(code, after);
    }
    at = after;
  }
  return [...pieces, code.subarray(copied)];
}

const MEMORY_GROW = Buffer.from([0x40, 0]);

const find = (code: Uint8Array, from: number): number =>
  Buffer.from(code.buffer, code.byteOffset, code.length).indexOf(MEMORY_GROW, from);

/** @returns undefined for a body without growth, or with instructions that are not known */
function withNotes(body: Uint8Array, firstGlobal: number): Uint8Array[] | undefined {
  const pieces: Uint8Array[] = [];
  let copied = 0;
  try {
    for (let at = afterLocals(body); at < body.length;) {
      const end = instructionEnd(body, at);
      if (body[at] === MEMORY_GROW[0]) {
        pieces.push(body.subarray(copied, at), grow(firstGlobal));
        copied = end;
      }
      at = end;
    }
  } catch {
    return undefined;
  }
  return pieces.length > 0 ? [...pieces, body.subarray(copied)] : undefined;
}

function afterLocals(body: Uint8Array): number {
  let { value: left, end: at } = readUnsigned(body, 0);
  for (; left > 0; left--) {
    at = readUnsigned(body, at).end;
    // `(ref ht)` and `(ref null ht)`
    at = body[at] === 0x63 || body[at] === 0x64 ? readUnsigned(body, at + 1).end : at + 1;
  }
  return at;
}

/** `memory.grow`, with its operand and its answer passing through globals of their own. */
function grow(firstGlobal: number): Uint8Array {
  const [asked, answer, refused] = [firstGlobal, firstGlobal + 1, firstGlobal + 2].map(unsigned);
  const [get, set] = [0x23, 0x24];
  return Buffer.concat(
    [
      [set, ...asked, get, ...asked, ...MEMORY_GROW, set, ...answer],
      [get, ...answer, 0x41, 0x7f, 0x46, 0x04, 0x40], // if it is -1
      [get, ...asked, set, ...refused, 0x0b, get, ...answer],
    ].map((piece) => Uint8Array.from(piece)),
  );
}

/** A vector with further entries. */
function extended(content: Uint8Array, entries: Uint8Array[]): Uint8Array[] {
  const { value: count, end } = readUnsigned(content, 0);
  return [unsigned(count + entries.length), content.subarray(end), ...entries];
}

function exportOfGlobal(name: string, index: number): Uint8Array {
  const text = new TextEncoder().encode(name);
  return Uint8Array.from([...unsigned(text.length), ...text, 3, ...unsigned(index)]);
}

const section = (id: number, pieces: Uint8Array[]): Uint8Array[] => [
  Uint8Array.of(id),
  unsigned(lengthOf(pieces)),
  ...pieces,
];

const lengthOf = (pieces: Uint8Array[]): number => pieces.reduce((sum, { length }) => sum + length, 0);

function unsigned(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}
