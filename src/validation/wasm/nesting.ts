/**
 * How deeply a function body nests its blocks, as far as a limit on it asks. An engine keeps a stack of open blocks and
 * compares the values of each, so that wide blocks in great depth take it minutes and gigabytes.
 *
 * Instructions have to be decoded for that, which costs as much as validation itself. But nearly all bodies are told by
 * less: a block takes two bytes at the least, so a short body cannot nest deeply; and one in which the opcodes that open
 * blocks do not even occur often enough as bytes cannot either. Only what is left is decoded.
 *
 * Source: WebAssembly core specification, chapter 5.4 "Instructions", with the opcodes of exception handling (old and
 * new), tail calls, threads and function references.
 */

/** Where a limit on nesting is passed; or where a body that had to be decoded could not be. */
export type NestingFault = { fault: 'too_deep' | 'unknown_instruction'; offset: number };

/**
 * @param start first byte of the instructions, behind the locals
 * @param end first byte behind the body
 * @returns null for a body whose blocks stand at most `limit` deep in each other
 */
export function nestingFault(bytes: Uint8Array, start: number, end: number, limit: number): NestingFault | null {
  if ((end - start) / SHORTEST_BLOCK <= limit) return null;
  if (openersAmong(bytes, start, end) <= limit) return null;
  return decodedNestingFault(bytes, start, end, limit);
}

/** Opcode and type; its `end` may be missing, which the engine sees only after all of them. */
const SHORTEST_BLOCK = 2;

/** What follows an opcode. */
const enum Immediate {
  Unknown,
  None,
  Leb,
  TwoLebs,
  MemoryArgument,
  FourBytes,
  EightBytes,
  BranchTable,
  SelectTypes,
  Opens,
  OpensTryTable,
  Closes,
  /** `delegate` closes its block and names another. */
  ClosesWithLeb,
  Miscellaneous,
  Vector,
  Atomic,
}

const IMMEDIATES = new Uint8Array(256);
const assign = (kind: Immediate, ...ranges: (number | [from: number, to: number])[]): void => {
  for (const range of ranges) {
    const [from, to] = typeof range === 'number' ? [range, range] : range;
    IMMEDIATES.fill(kind, from, to + 1);
  }
};
// Plain: control without immediates, parametric, comparisons, arithmetic, conversions, references.
assign(Immediate.None, 0x00, 0x01, 0x05, 0x0a, 0x0f, 0x19, 0x1a, 0x1b, [0x45, 0xc4], 0xd1, 0xd3, 0xd4);
// catch, throw, rethrow, br, br_if, call, tail calls, variables, tables, memory.size and .grow, constants, references.
assign(Immediate.Leb, [0x07, 0x09], 0x0c, 0x0d, 0x10, 0x12, 0x14, 0x15, [0x20, 0x26], [0x3f, 0x42], 0xd0, 0xd2);
assign(Immediate.Leb, 0xd5, 0xd6);
assign(Immediate.TwoLebs, 0x11, 0x13);
assign(Immediate.MemoryArgument, [0x28, 0x3e]);
assign(Immediate.FourBytes, 0x43);
assign(Immediate.EightBytes, 0x44);
assign(Immediate.BranchTable, 0x0e);
assign(Immediate.SelectTypes, 0x1c);
assign(Immediate.Opens, [0x02, 0x04], 0x06);
assign(Immediate.OpensTryTable, 0x1f);
assign(Immediate.Closes, 0x0b);
assign(Immediate.ClosesWithLeb, 0x18);
assign(Immediate.Miscellaneous, 0xfc);
assign(Immediate.Vector, 0xfd);
assign(Immediate.Atomic, 0xfe);

const OPENS = Uint8Array.from(IMMEDIATES, (kind) =>
  kind === Immediate.Opens || kind === Immediate.OpensTryTable ? 1 : 0,
);

/** Bytes that would open a block if they were opcodes: never fewer than the blocks there are. */
function openersAmong(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; at++) count += OPENS[bytes[at]];
  return count;
}

/**
 * The same, by decoding every instruction, which finds the body's last byte to be the `end` of the body if it is valid.
 * Reading beyond the body does no harm: its bytes are there or read as 0, and the loop ends.
 */
export function decodedNestingFault(bytes: Uint8Array, start: number, end: number, limit: number): NestingFault | null {
  let depth = 0;
  let at = start;
  while (at < end) {
    const offset = at;
    switch (IMMEDIATES[bytes[at++]] as Immediate) {
      case Immediate.None:
        break;
      case Immediate.Leb:
        at = afterLebs(bytes, at, 1);
        break;
      case Immediate.TwoLebs:
        at = afterLebs(bytes, at, 2);
        break;
      case Immediate.MemoryArgument:
        at = afterMemoryArgument(bytes, at);
        break;
      case Immediate.FourBytes:
        at += 4;
        break;
      case Immediate.EightBytes:
        at += 8;
        break;
      case Immediate.BranchTable: {
        const targets = lebAt(bytes, at);
        at = afterLebs(bytes, at, Math.min(targets + 2, end - at));
        break;
      }
      case Immediate.SelectTypes: {
        const types = Math.min(lebAt(bytes, at), end - at);
        at = afterLebs(bytes, at, 1);
        for (let i = 0; i < types; i++) at = afterValueType(bytes, at);
        break;
      }
      case Immediate.Opens:
      case Immediate.OpensTryTable:
        if (++depth > limit) return { fault: 'too_deep', offset };
        at =
          bytes[offset] === TRY_TABLE ? afterCatches(bytes, afterValueType(bytes, at), end) : afterValueType(bytes, at);
        break;
      case Immediate.Closes:
        depth--;
        break;
      case Immediate.ClosesWithLeb:
        depth--;
        at = afterLebs(bytes, at, 1);
        break;
      case Immediate.Miscellaneous: {
        const lebs = MISCELLANEOUS_LEBS.at(lebAt(bytes, at));
        if (lebs === undefined) return { fault: 'unknown_instruction', offset };
        at = afterLebs(bytes, at, 1 + lebs);
        break;
      }
      case Immediate.Vector:
        at = afterVector(bytes, at);
        break;
      case Immediate.Atomic: {
        const fence = lebAt(bytes, at) === ATOMIC_FENCE;
        at = afterLebs(bytes, at, 1);
        at = fence ? at + 1 : afterMemoryArgument(bytes, at);
        break;
      }
      default:
        return { fault: 'unknown_instruction', offset };
    }
  }
  return depth === -1 && at === end ? null : { fault: 'unknown_instruction', offset: end - 1 };
}

const TRY_TABLE = 0x1f;
const ATOMIC_FENCE = 0x03;
/** Integers behind `0xfc n`: conversions, then memory.init, data.drop, memory.copy, .fill, and those of tables. */
const MISCELLANEOUS_LEBS = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1];

function afterLebs(bytes: Uint8Array, at: number, count: number): number {
  for (let i = 0; i < count; i++) while (bytes[at++] & 0x80);
  return at;
}

/** An unsigned 32-bit one; nonsense beyond that is the engine's to refuse. */
function lebAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++];
    value |= (byte & 0x7f) << shift;
    if (!(byte & 0x80)) break;
  }
  return value >>> 0;
}

/** Alignment and offset, and a memory between them where bit 6 of the alignment says so. */
function afterMemoryArgument(bytes: Uint8Array, at: number): number {
  return afterLebs(bytes, at, bytes[at] & 0x40 ? 3 : 2);
}

/** The type of a block or of a value: one integer, but for typed references, which have the type they refer to. */
function afterValueType(bytes: Uint8Array, at: number): number {
  const reference = bytes[at] === 0x63 || bytes[at] === 0x64;
  return afterLebs(bytes, at, reference ? 2 : 1);
}

/** Clauses: a kind, for the first two a tag, and a label. */
function afterCatches(bytes: Uint8Array, at: number, end: number): number {
  const clauses = Math.min(lebAt(bytes, at), end - at);
  at = afterLebs(bytes, at, 1);
  for (let i = 0; i < clauses; i++) at = afterLebs(bytes, at + 1, bytes[at] < 2 ? 2 : 1);
  return at;
}

function afterVector(bytes: Uint8Array, at: number): number {
  const opcode = lebAt(bytes, at);
  at = afterLebs(bytes, at, 1);
  if (opcode <= 11 || opcode === 0x5c || opcode === 0x5d) return afterMemoryArgument(bytes, at);
  if (opcode === 12 || opcode === 13) return at + 16; // v128.const, i8x16.shuffle
  if (opcode >= 0x15 && opcode <= 0x22) return at + 1; // lanes
  if (opcode >= 0x54 && opcode <= 0x5b) return afterMemoryArgument(bytes, at) + 1; // lanes in memory
  return at;
}
