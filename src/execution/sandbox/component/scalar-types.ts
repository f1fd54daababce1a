import type { Primitive } from '../../../common/component/definitions.js';
import { trap } from './faults.js';
import type { Heap } from './heap.js';
import {
  alignUp,
  type CallContext,
  describeParts,
  type FlatType,
  type FlatValue,
  measured,
  type Value,
  type ValueTypeCode,
} from './value-type.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const LEAF = { weight: 1, depth: 1 };
/** Bytes of the longest string or list, as the specification sets it. */
const LONGEST = 2 ** 28 - 1;

interface Scalar {
  size: number;
  flat: FlatType;
  read: (view: DataView, pointer: number) => FlatValue;
  write: (view: DataView, pointer: number, value: FlatValue) => void;
  /** From a core value, of which only the low bits count. */
  lift: (value: FlatValue) => Value;
  lower: (value: Value) => FlatValue;
}

function scalar(kind: Primitive, { size, flat, read, write, lift, lower }: Scalar): ValueTypeCode {
  return {
    kind,
    size,
    align: size,
    flat: [flat],
    ...LEAF,
    load: ({ heap }, pointer) => lift(read(heap.at(pointer, size), pointer)),
    store: ({ heap }, value, pointer) => write(heap.at(pointer, size), pointer, lower(value)),
    lift: (_context, next) => lift(next()),
    lower: (_context, value, out) => void out.push(lower(value)),
    describe: () => kind,
  };
}

const asNumber = (value: Value): number => value as number;
const asBigint = (value: Value): bigint => value as bigint;

/** Integers of at most 32 bits. */
function integer(kind: Primitive, size: 1 | 2 | 4, wrap: (value: number) => number): ValueTypeCode {
  const bits = (size * 8) as 8 | 16 | 32;
  return scalar(kind, {
    size,
    flat: 'i32',
    read: (view, pointer) => view[`getUint${bits}`](pointer, true),
    write: (view, pointer, value) => view[`setUint${bits}`](pointer, Number(value), true),
    lift: (value) => wrap(Number(value)),
    lower: asNumber,
  });
}

const wide = (kind: Primitive, wrap: (value: bigint) => bigint): ValueTypeCode =>
  scalar(kind, {
    size: 8,
    flat: 'i64',
    read: (view, pointer) => view.getBigUint64(pointer, true),
    write: (view, pointer, value) => view.setBigUint64(pointer, BigInt(value), true),
    lift: (value) => wrap(BigInt(value)),
    lower: asBigint,
  });

export const U8 = integer('u8', 1, (value) => value & 0xff);
const U16 = integer('u16', 2, (value) => value & 0xffff);
const U32 = integer('u32', 4, (value) => value >>> 0);

/** The unsigned type that holds `count` different numbers. */
export function discriminantType(count: number): ValueTypeCode {
  if (count <= 2 ** 8) return U8;
  return count <= 2 ** 16 ? U16 : U32;
}

/** The unsigned type of `bits` flags, at most 32. */
export function bitsType(bits: number): ValueTypeCode {
  if (bits <= 8) return U8;
  return bits <= 16 ? U16 : U32;
}

/** Two words, address and length, of what stands elsewhere in memory. */
function slice(
  kind: string,
  parts: readonly ValueTypeCode[],
  read: (context: CallContext, pointer: number, length: number) => Value,
  write: (context: CallContext, value: Value) => [pointer: number, length: number],
): ValueTypeCode {
  return {
    kind,
    size: 8,
    align: 4,
    flat: ['i32', 'i32'],
    ...measured(parts),
    load: (context, pointer) => {
      const view = context.heap.at(pointer, 8);
      return read(context, view.getUint32(pointer, true), view.getUint32(pointer + 4, true));
    },
    store: (context, value, pointer) => {
      const [start, length] = write(context, value);
      const view = context.heap.at(pointer, 8);
      view.setUint32(pointer, start, true);
      view.setUint32(pointer + 4, length, true);
    },
    lift: (context, next) => {
      const pointer = Number(next()) >>> 0;
      return read(context, pointer, Number(next()) >>> 0);
    },
    lower: (context, value, out) => void out.push(...write(context, value)),
    describe: () =>
      parts.length === 0
        ? kind
        : describeParts(
            kind,
            '<',
            parts.map((part) => part.describe()),
            '>',
          ),
  };
}

function writeBytes({ heap }: { heap: Heap }, bytes: Uint8Array): [number, number] {
  if (bytes.length > LONGEST) trap('a string or list is too long');
  const pointer = heap.allocate(1, bytes.length);
  heap.bytes(pointer, bytes.length).set(bytes);
  return [pointer, bytes.length];
}

function readBytes({ heap }: { heap: Heap }, pointer: number, length: number): Uint8Array {
  if (length > LONGEST) trap('a string or list is too long');
  return heap.bytes(pointer, length);
}

const STRING = slice(
  'string',
  [],
  (context, pointer, length) => {
    const bytes = readBytes(context, pointer, length);
    try {
      return utf8.decode(bytes);
    } catch {
      return trap('a string is not UTF-8');
    }
  },
  (context, value) => writeBytes(context, encoder.encode(value as string)),
);

/** Bytes of a string or of a `list<u8>`, which are represented alike. */
export const BYTES = slice(
  'list',
  [U8],
  (context, pointer, length) => readBytes(context, pointer, length).slice(),
  (context, value) => writeBytes(context, value as Uint8Array),
);

export function listType(element: ValueTypeCode): ValueTypeCode {
  if (element.kind === 'u8') return BYTES;
  const { size, align } = element;
  return slice(
    'list',
    [element],
    (context, pointer, length) => {
      if (length * size > LONGEST || length > LONGEST) trap('a string or list is too long');
      if (pointer % align !== 0) trap(`a list is at ${pointer}, which is not a multiple of ${align}`);
      context.heap.at(pointer, length * size);
      const values: Value[] = [];
      for (let index = 0; index < length; index++) values.push(element.load(context, pointer + index * size));
      return values;
    },
    (context, value) => {
      const values = value as Value[];
      if (values.length * size > LONGEST) trap('a string or list is too long');
      const pointer = context.heap.allocate(align, values.length * size);
      for (const [index, one] of values.entries()) element.store(context, one, pointer + index * size);
      return [pointer, values.length];
    },
  );
}

export const PRIMITIVE_TYPES: Record<Primitive, ValueTypeCode> = {
  bool: {
    ...integer('bool', 1, (value) => value),
    load: ({ heap }, pointer) => heap.at(pointer, 1).getUint8(pointer) !== 0,
    store: ({ heap }, value, pointer) => heap.at(pointer, 1).setUint8(pointer, value ? 1 : 0),
    lift: (_context, next) => next() !== 0,
    lower: (_context, value, out) => void out.push(value ? 1 : 0),
  },
  s8: integer('s8', 1, (value) => (value << 24) >> 24),
  u8: U8,
  s16: integer('s16', 2, (value) => (value << 16) >> 16),
  u16: U16,
  s32: integer('s32', 4, (value) => value | 0),
  u32: U32,
  s64: wide('s64', (value) => BigInt.asIntN(64, value)),
  u64: wide('u64', (value) => BigInt.asUintN(64, value)),
  f32: scalar('f32', {
    size: 4,
    flat: 'f32',
    read: (view, pointer) => view.getFloat32(pointer, true),
    write: (view, pointer, value) => view.setFloat32(pointer, Number(value), true),
    lift: (value) => value as Value,
    lower: asNumber,
  }),
  f64: scalar('f64', {
    size: 8,
    flat: 'f64',
    read: (view, pointer) => view.getFloat64(pointer, true),
    write: (view, pointer, value) => view.setFloat64(pointer, Number(value), true),
    lift: (value) => value as Value,
    lower: asNumber,
  }),
  char: scalar('char', {
    size: 4,
    flat: 'i32',
    read: (view, pointer) => view.getUint32(pointer, true),
    write: (view, pointer, value) => view.setUint32(pointer, Number(value), true),
    lift: (value) => {
      const code = Number(value) >>> 0;
      if (code > 0x10_ffff || (code >= 0xd800 && code < 0xe000)) trap(`${code} is no character`);
      return String.fromCodePoint(code);
    },
    lower: (value) => (value as string).codePointAt(0)!,
  }),
  string: STRING,
};

/** Where each field of a record stands. */
export function layout(fields: readonly ValueTypeCode[]): { offsets: number[]; size: number; align: number } {
  const offsets: number[] = [];
  let end = 0;
  let align = 1;
  for (const field of fields) {
    const offset = alignUp(end, field.align);
    offsets.push(offset);
    end = offset + field.size;
    align = Math.max(align, field.align);
  }
  return { offsets, size: alignUp(end, align), align };
}
