import type { ByteReader } from './byte-reader.js';
import { refuse } from './refusal.js';

const END = 0x0b;

/** What follows each instruction that may stand in a constant expression. */
const IMMEDIATES = new Map<number, (reader: ByteReader) => void>([
  [0x23, (reader) => reader.u32()], // global.get
  [0x41, (reader) => reader.skipSigned(32)], // i32.const
  [0x42, (reader) => reader.skipSigned(64)], // i64.const
  [0x43, (reader) => reader.skip(4)], // f32.const
  [0x44, (reader) => reader.skip(8)], // f64.const
  [0xd2, (reader) => reader.u32()], // ref.func
  [0x6a, () => {}], // i32.add
  [0x6b, () => {}], // i32.sub
  [0x6c, () => {}], // i32.mul
  [0x7c, () => {}], // i64.add
  [0x7d, () => {}], // i64.sub
  [0x7e, () => {}], // i64.mul
  [0xd0, readNullType],
  [0xfd, readVectorConstant],
  [0xfb, (reader) => refuseGc(reader.offset)],
]);

/**
 * Skips the initial value of a global, the offset of a segment or an element, to behind its `end`. Types are left to
 * the engine; here it only matters where the expression ends.
 *
 * Source: WebAssembly core specification, chapter 3.3 "Constant Expressions", with extended constants.
 */
export function readConstantExpression(reader: ByteReader): void {
  for (;;) {
    const start = reader.offset;
    const opcode = reader.u8();
    if (opcode === END) return;
    const readImmediate = IMMEDIATES.get(opcode);
    if (!readImmediate) refuseInstruction(opcode, start);
    readImmediate(reader);
  }
}

function readNullType(reader: ByteReader): void {
  const start = reader.offset;
  const type = reader.u8();
  if (type !== 0x70 && type !== 0x6f) refuseGc(start);
}

function readVectorConstant(reader: ByteReader): void {
  const start = reader.offset - 1;
  const opcode = reader.u32();
  if (opcode !== 12) refuseInstruction(0xfd, start);
  reader.skip(16);
}

function refuseInstruction(opcode: number, offset: number): never {
  const seen = `Instruction 0x${opcode.toString(16)} at byte ${offset} may not stand in a constant expression.`;
  refuse('INVALID_CONSTANT_EXPRESSION', seen, offset);
}

function refuseGc(offset: number): never {
  refuse('GC_TYPES_NOT_SUPPORTED', `The constant expression at byte ${offset} uses a garbage-collected type.`, offset);
}
