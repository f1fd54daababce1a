/**
 * Finds where each instruction of a function's body ends. Knows the instructions that compilers for C, C++, Rust, Go and
 * AssemblyScript write: WebAssembly 2.0, tail calls, exceptions, threads and relaxed SIMD, but not garbage collection.
 * Format: https://webassembly.github.io/spec/core/binary/instructions.html
 */

/** Thrown at an instruction that is not known, or at the end of the bytes. */
export class UnknownInstruction extends Error {}

/** @returns the position after the instruction that begins at `at` @throws UnknownInstruction */
export function instructionEnd(bytes: Uint8Array, at: number): number {
  const end = afterImmediates(bytes, bytes[at], at + 1);
  if (end > bytes.length) throw new UnknownInstruction();
  return end;
}

/** LEB128 of up to 53 bits. @throws UnknownInstruction at the end of the bytes */
export function readUnsigned(bytes: Uint8Array, at: number): { value: number; end: number } {
  let value = 0;
  for (let scale = 1, end = at; end < bytes.length; scale *= 128) {
    value += (bytes[end] & 0x7f) * scale;
    if (bytes[end++] < 0x80) return { value, end };
  }
  throw new UnknownInstruction();
}

/** Passes over `count` numbers in LEB128, signed or not. */
function skip(bytes: Uint8Array, at: number, count = 1): number {
  let end = at;
  for (let left = count; left > 0; left--) {
    while (bytes[end] >= 0x80) end++;
    end++;
  }
  return end;
}

function afterImmediates(bytes: Uint8Array, opcode: number, at: number): number {
  if (opcode >= 0x45 && opcode <= 0xc4) return at; // numeric
  if (opcode >= 0x28 && opcode <= 0x3e) return afterAddress(bytes, at); // loads and stores
  if (opcode >= 0x20 && opcode <= 0x26) return skip(bytes, at); // variables and tables
  switch (opcode) {
    case 0x00: // unreachable
    case 0x01: // nop
    case 0x05: // else
    case 0x0a: // throw_ref
    case 0x0b: // end
    case 0x0f: // return
    case 0x19: // catch_all
    case 0x1a: // drop
    case 0x1b: // select
    case 0xd1: // ref.is_null
    case 0xd3: // ref.eq
    case 0xd4: // ref.as_non_null
      return at;
    case 0x02: // block
    case 0x03: // loop
    case 0x04: // if
    case 0x06: // try
      return afterBlockType(bytes, at);
    case 0x07: // catch
    case 0x08: // throw
    case 0x09: // rethrow
    case 0x0c: // br
    case 0x0d: // br_if
    case 0x10: // call
    case 0x12: // return_call
    case 0x14: // call_ref
    case 0x15: // return_call_ref
    case 0x18: // delegate
    case 0x3f: // memory.size
    case 0x40: // memory.grow
    case 0x41: // i32.const
    case 0x42: // i64.const
    case 0xd0: // ref.null
    case 0xd2: // ref.func
    case 0xd5: // br_on_null
    case 0xd6: // br_on_non_null
      return skip(bytes, at);
    case 0x0e: {
      const { value: targets, end } = readUnsigned(bytes, at); // br_table
      if (targets > bytes.length) throw new UnknownInstruction();
      return skip(bytes, end, targets + 1);
    }
    case 0x11: // call_indirect
    case 0x13: // return_call_indirect
      return skip(bytes, at, 2);
    case 0x1c: // select with types
      return afterValueTypes(bytes, at);
    case 0x1f: // try_table
      return afterCatches(bytes, afterBlockType(bytes, at));
    case 0x43: // f32.const
      return at + 4;
    case 0x44: // f64.const
      return at + 8;
    case 0xfc:
      return afterBulk(bytes, at);
    case 0xfd:
      return afterVector(bytes, at);
    case 0xfe:
      return afterAtomic(bytes, at);
    default:
      throw new UnknownInstruction();
  }
}

/** Alignment and offset; bit 6 of the alignment announces a memory index between them. */
const afterAddress = (bytes: Uint8Array, at: number): number => skip(bytes, at, bytes[at] & 0x40 ? 3 : 2);

/** `(ref ht)` and `(ref null ht)` carry a heap type, every other type is one number. */
const afterBlockType = (bytes: Uint8Array, at: number): number =>
  skip(bytes, at, bytes[at] === 0x63 || bytes[at] === 0x64 ? 2 : 1);

function afterValueTypes(bytes: Uint8Array, at: number): number {
  let { value: left, end } = readUnsigned(bytes, at);
  if (left > bytes.length) throw new UnknownInstruction();
  for (; left > 0; left--) end = afterBlockType(bytes, end);
  return end;
}

function afterCatches(bytes: Uint8Array, at: number): number {
  let { value: left, end } = readUnsigned(bytes, at);
  if (left > bytes.length) throw new UnknownInstruction();
  // `catch` and `catch_ref` name a tag and a label, `catch_all` and `catch_all_ref` a label.
  for (; left > 0; left--) end = skip(bytes, end + 1, bytes[end] < 2 ? 2 : 1);
  return end;
}

function afterBulk(bytes: Uint8Array, at: number): number {
  const { value: opcode, end } = readUnsigned(bytes, at);
  if (opcode <= 7) return end; // saturating conversions
  if ([8, 10, 12, 14].includes(opcode)) return skip(bytes, end, 2); // init and copy
  if (opcode <= 17) return skip(bytes, end); // drop, fill, grow, size
  throw new UnknownInstruction();
}

function afterVector(bytes: Uint8Array, at: number): number {
  const { value: opcode, end } = readUnsigned(bytes, at);
  if (opcode <= 11 || opcode === 92 || opcode === 93) return afterAddress(bytes, end); // loads and stores
  if (opcode === 12 || opcode === 13) return end + 16; // v128.const, i8x16.shuffle
  if (opcode >= 21 && opcode <= 34) return end + 1; // lanes
  if (opcode >= 84 && opcode <= 91) return afterAddress(bytes, end) + 1; // loads and stores of lanes
  return end;
}

function afterAtomic(bytes: Uint8Array, at: number): number {
  const { value: opcode, end } = readUnsigned(bytes, at);
  return opcode === 3 ? end + 1 : afterAddress(bytes, end); // atomic.fence
}
