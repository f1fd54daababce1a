import { unlinkable } from './faults.js';
import type { Heap } from './heap.js';
import type { CallScope, GuestResource, InstanceState } from './resources.js';

/**
 * Values between components and the host. Names of fields and cases are gone: records and tuples are arrays, cases and
 * flags are numbers, so no name of a component ever becomes a property.
 */
export type Value = boolean | number | bigint | string | Uint8Array | Value[] | Case | GuestResource | object;

/** A value of a variant, an option (0 none, 1 some) or a result (0 ok, 1 err). Enums are the number alone. */
export interface Case {
  case: number;
  value?: Value;
}

export type FlatType = 'i32' | 'i64' | 'f32' | 'f64';
export type FlatValue = number | bigint;
/** Takes core values one after the other. */
export type NextFlat = () => FlatValue;

/** Where a value is read from or written to. */
export interface CallContext {
  instance: InstanceState;
  heap: Heap;
  scope: CallScope;
}

/** A type with its representation in memory and as core values, by the canonical ABI. */
export interface ValueTypeCode {
  kind: string;
  /** Bytes in memory, and their alignment. */
  size: number;
  align: number;
  /** Core values that stand for it; cut after `MOST_FLAT` + 1. */
  flat: readonly FlatType[];
  /** Values inside it, itself included. */
  weight: number;
  depth: number;
  load(context: CallContext, pointer: number): Value;
  store(context: CallContext, value: Value, pointer: number): void;
  lift(context: CallContext, next: NextFlat): Value;
  lower(context: CallContext, value: Value, out: FlatValue[]): void;
  /** Its text in WIT's style, by which functions of the host are matched. */
  describe(): string;
}

/** Parameters that are passed as core values; more are passed in memory. */
export const MOST_FLAT = 16;
const MOST_WEIGHT = 100_000;
const DEEPEST = 100;
const LONGEST_DESCRIPTION = 8192;

/** Size, depth and flat form of a type from its parts. @throws Unlinkable when it is too large */
export function measured(parts: readonly ValueTypeCode[]): Pick<ValueTypeCode, 'weight' | 'depth'> {
  const weight = parts.reduce((sum, part) => sum + part.weight, 1);
  const depth = parts.reduce((most, part) => Math.max(most, part.depth), 0) + 1;
  if (weight > MOST_WEIGHT) unlinkable(`a type has more than ${MOST_WEIGHT} parts`);
  if (depth > DEEPEST) unlinkable(`types are nested more than ${DEEPEST} deep`);
  return { weight, depth };
}

export function flatOf(parts: readonly ValueTypeCode[]): FlatType[] {
  const flat: FlatType[] = [];
  for (const part of parts) {
    if (flat.length > MOST_FLAT) break;
    flat.push(...part.flat);
  }
  return flat.slice(0, MOST_FLAT + 1);
}

/** `head` with the descriptions of parts in angle brackets. */
export function describeParts(head: string, open: string, parts: readonly string[], close: string): string {
  const text = `${head}${open}${parts.join(', ')}${close}`;
  return text.length <= LONGEST_DESCRIPTION ? text : unlinkable('the description of a type is too long');
}

export const alignUp = (offset: number, align: number): number => Math.ceil(offset / align) * align;
