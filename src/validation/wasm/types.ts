import type { ByteReader } from './byte-reader.js';
import { refuse, type WalkRefusalCode } from './refusal.js';
import { EXTERNAL_KINDS, type ExternalKind, type MemoryShape, type WalkState } from './walked-module.js';

/**
 * Types, and what text this folder describes them by: functions and tags `(i32, i64) -> (i32)`, globals `i32` or
 * `mut i32`, tables `funcref 1..10`, memories `2..` (pages of 64 KiB, without or with an upper bound).
 *
 * Source: WebAssembly core specification, chapter 5.3 "Types"; the type codes refused come from the proposals that
 * newer engines enable and offer no way to turn off.
 */

const VALUE_TYPES = new Map([
  [0x7f, 'i32'],
  [0x7e, 'i64'],
  [0x7d, 'f32'],
  [0x7c, 'f64'],
  [0x7b, 'v128'],
  [0x70, 'funcref'],
  [0x6f, 'externref'],
]);
const FUNCTION_TYPE = 0x60;
const TABLE_WITH_INITIALIZER = 0x40;

/** Codes of structures, arrays, recursive groups and subtypes. */
const isGcTypeForm = (code: number): boolean => [0x5f, 0x5e, 0x50, 0x4f, 0x4e].includes(code);
/** Codes of typed, internal, exception and string references. */
const isGcValueType = (code: number): boolean => code >= 0x61 && code <= 0x77;

/** Longer lists are cut: no function of the host takes as many, and 10,000 exports stay a short report. */
const SHOWN_VALUES = 12;

/** `(i32, i64) -> (i32)`. */
export const signatureText = (params: readonly string[], results: readonly string[]): string =>
  `(${params.join(', ')}) -> (${results.join(', ')})`;

export function readFunctionType(walk: WalkState): string {
  const { reader } = walk;
  const start = reader.offset;
  const form = reader.u8();
  if (isGcTypeForm(form)) refuseGcType(form, start);
  if (form !== FUNCTION_TYPE) refuse('INVALID_TYPE', `The type at byte ${start} is no function type.`, start);
  const params = readValueTypes(walk);
  return signatureText(params, readValueTypes(walk));
}

function readValueTypes({ reader, limits }: WalkState): string[] {
  const start = reader.offset;
  const count = reader.u32();
  withinLimit('TOO_MANY_PARAMETERS', count, limits.parameters, 'parameters or results in one type', start);
  const shown: string[] = [];
  for (let i = 0; i < count; i++) {
    const type = readValueType(reader);
    if (i < SHOWN_VALUES) shown.push(type);
  }
  if (count > SHOWN_VALUES) shown.push(`${count - SHOWN_VALUES} more`);
  return shown;
}

export function readValueType(reader: ByteReader): string {
  const start = reader.offset;
  const code = reader.u8();
  const type = VALUE_TYPES.get(code);
  if (type !== undefined) return type;
  if (isGcValueType(code)) refuseGcType(code, start);
  refuse('INVALID_TYPE', `The value type 0x${code.toString(16)} at byte ${start} does not exist.`, start);
}

export function readReferenceType(reader: ByteReader): string {
  const start = reader.offset;
  const type = readValueType(reader);
  if (!type.endsWith('ref')) refuse('INVALID_TYPE', `The type at byte ${start} must be a reference type.`, start);
  return type;
}

export function readGlobalType(reader: ByteReader): string {
  const type = readValueType(reader);
  const start = reader.offset;
  const mutability = reader.u8();
  if (mutability > 1) refuse('INVALID_FLAGS', `The global at byte ${start} is neither constant nor mutable.`, start);
  return mutability ? `mut ${type}` : type;
}

export function readTableType(walk: WalkState): string {
  const { reader, limits, module } = walk;
  const start = reader.offset;
  if (reader.peek() === TABLE_WITH_INITIALIZER) refuseGcType(TABLE_WITH_INITIALIZER, start);
  const type = readReferenceType(reader);
  const flags = reader.u8();
  if (flags > 7 || flags & 2) refuse('INVALID_FLAGS', `The table at byte ${start} has unknown flags.`, start);
  if (flags & 4) refuse('MEMORY64_NOT_SUPPORTED', `The table at byte ${start} has 64-bit indices.`, start);
  const min = reader.u32();
  const max = flags & 1 ? reader.u32() : null;
  module.tableElements += min;
  withinLimit('TABLE_TOO_LARGE', module.tableElements, limits.tableElements, 'initial table elements', start);
  return `${type} ${rangeText(min, max)}`;
}

export function readMemoryType(walk: WalkState): string {
  const { reader, limits, module } = walk;
  const start = reader.offset;
  const flags = reader.u8();
  if (flags > 7) refuse('INVALID_FLAGS', `The memory at byte ${start} has unknown flags.`, start);
  const is64 = (flags & 4) !== 0;
  const minPages = is64 ? reader.u64() : reader.u32();
  const maxPages = flags & 1 ? (is64 ? reader.u64() : reader.u32()) : null;
  const memory: MemoryShape = { minPages, maxPages, shared: (flags & 2) !== 0, is64 };
  module.memory ??= memory;
  if (is64) refuse('MEMORY64_NOT_SUPPORTED', `The memory at byte ${start} has 64-bit addresses.`, start);
  if (memory.shared) refuse('SHARED_MEMORY_NOT_SUPPORTED', `The memory at byte ${start} is shared.`, start);
  withinLimit('MEMORY_TOO_LARGE', minPages, limits.memoryPages, 'initial pages of memory', start);
  return rangeText(minPages, maxPages);
}

/** A function's or tag's type, by its index in the type section. */
export function readTypeIndex({ reader, types }: WalkState): string {
  const start = reader.offset;
  const index = reader.u32();
  if (index >= types.length) {
    refuse('INVALID_INDEX', `Byte ${start} names type ${index}; there are ${types.length} types.`, start);
  }
  return types[index];
}

export function readTagType(walk: WalkState): string {
  const start = walk.reader.offset;
  if (walk.reader.u8() !== 0) refuse('INVALID_FLAGS', `The tag at byte ${start} has an unknown attribute.`, start);
  return readTypeIndex(walk);
}

export function readExternalKind({ reader }: WalkState): ExternalKind {
  const start = reader.offset;
  const kind = EXTERNAL_KINDS.at(reader.u8());
  if (kind === undefined) refuse('INVALID_TYPE', `Byte ${start} is no kind of import or export.`, start);
  return kind;
}

export function readExternalType(walk: WalkState, kind: ExternalKind): string {
  switch (kind) {
    case 'function':
      return readTypeIndex(walk);
    case 'table':
      return readTableType(walk);
    case 'memory':
      return readMemoryType(walk);
    case 'global':
      return readGlobalType(walk.reader);
    case 'tag':
      return readTagType(walk);
  }
}

/** @param things what is counted, as it reads after a number */
export function withinLimit(
  code: WalkRefusalCode,
  count: number,
  limit: number,
  things: string,
  offset: number | null,
  where = 'The module',
): void {
  if (count > limit) refuse(code, `${where} has ${count} ${things}; the limit is ${limit}.`, offset);
}

const rangeText = (min: number, max: number | null): string => `${min}..${max ?? ''}`;

function refuseGcType(code: number, offset: number): never {
  refuse('GC_TYPES_NOT_SUPPORTED', `Type code 0x${code.toString(16)} at byte ${offset} is not supported.`, offset);
}
