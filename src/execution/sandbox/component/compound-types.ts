import { trap, unlinkable } from './faults.js';
import { GuestResource, type ResourceType } from './resources.js';
import { bitsType, discriminantType, layout } from './scalar-types.js';
import {
  alignUp,
  type CallContext,
  type Case,
  describeParts,
  flatOf,
  type FlatType,
  type FlatValue,
  measured,
  MOST_FLAT,
  type NextFlat,
  type Value,
  type ValueTypeCode,
} from './value-type.js';

/** A record or tuple. @param labels of a record's fields */
export function recordType(fields: readonly ValueTypeCode[], labels?: readonly string[]): ValueTypeCode {
  const { offsets, size, align } = layout(fields);
  return {
    kind: labels ? 'record' : 'tuple',
    size,
    align,
    flat: flatOf(fields),
    ...measured(fields),
    load: (context, pointer) => fields.map((field, index) => field.load(context, pointer + offsets[index])),
    store: (context, value, pointer) => {
      for (const [index, field] of fields.entries()) {
        field.store(context, (value as Value[])[index], pointer + offsets[index]);
      }
    },
    lift: (context, next) => fields.map((field) => field.lift(context, next)),
    lower: (context, value, out) => {
      for (const [index, field] of fields.entries()) field.lower(context, (value as Value[])[index], out);
    },
    describe: () => {
      if (!labels)
        return describeParts(
          'tuple',
          '<',
          fields.map((field) => field.describe()),
          '>',
        );
      return describeParts(
        'record',
        '{',
        fields.map((field, index) => `${labels[index]}: ${field.describe()}`),
        '}',
      );
    },
  };
}

/** A variant, option or result. @param describe its text */
export function variantType(
  kind: string,
  cases: readonly (ValueTypeCode | undefined)[],
  describe: () => string,
): ValueTypeCode {
  const discriminant = discriminantType(cases.length);
  const payloads = cases.filter((one) => one !== undefined);
  const payloadAlign = Math.max(1, ...payloads.map((payload) => payload.align));
  const payloadOffset = alignUp(discriminant.size, payloadAlign);
  const align = Math.max(discriminant.align, payloadAlign);
  const flat = joinedFlat(payloads);
  const payloadOf = (index: number): ValueTypeCode | undefined => {
    if (index >= cases.length) trap(`a ${kind} has no case ${index}`);
    return cases[index];
  };
  return {
    kind,
    size: alignUp(payloadOffset + Math.max(0, ...payloads.map((payload) => payload.size)), align),
    align,
    flat,
    ...measured(payloads),
    load: (context, pointer) => {
      const index = discriminant.load(context, pointer) as number;
      return { case: index, value: payloadOf(index)?.load(context, pointer + payloadOffset) };
    },
    store: (context, value, pointer) => {
      const { case: index, value: payload } = value as Case;
      discriminant.store(context, index, pointer);
      payloadOf(index)?.store(context, payload!, pointer + payloadOffset);
    },
    lift: (context, next) => {
      const index = Number(next()) >>> 0;
      const rest = flat.slice(1).map(() => next());
      const payload = payloadOf(index);
      let at = 0;
      const narrowed: NextFlat = () => narrow(rest[at], flat[at + 1], payload!.flat[at++]);
      return { case: index, value: payload?.lift(context, narrowed) };
    },
    lower: (context, value, out) => {
      const { case: index, value: content } = value as Case;
      const payload = payloadOf(index);
      out.push(index);
      const own: FlatValue[] = [];
      payload?.lower(context, content!, own);
      for (const [at, to] of flat.slice(1).entries()) {
        if (at < own.length) out.push(widen(own[at], payload!.flat[at], to));
        else out.push(to === 'i64' ? 0n : 0);
      }
    },
    describe,
  };
}

function joinedFlat(payloads: readonly ValueTypeCode[]): FlatType[] {
  const joined: FlatType[] = [];
  for (const { flat } of payloads) {
    for (const [index, type] of flat.entries()) {
      joined[index] = index < joined.length ? join(joined[index], type) : type;
    }
  }
  return (['i32'] as FlatType[]).concat(joined).slice(0, MOST_FLAT + 1);
}

function join(one: FlatType, other: FlatType): FlatType {
  if (one === other) return one;
  const narrowPair = (one === 'i32' && other === 'f32') || (one === 'f32' && other === 'i32');
  return narrowPair ? 'i32' : 'i64';
}

const scratch = new DataView(new ArrayBuffer(8));
const bitsOfF32 = (value: number): number => (scratch.setFloat32(0, value), scratch.getInt32(0));
const f32OfBits = (bits: number): number => (scratch.setInt32(0, bits), scratch.getFloat32(0));
const bitsOfF64 = (value: number): bigint => (scratch.setFloat64(0, value), scratch.getBigInt64(0));
const f64OfBits = (bits: bigint): number => (scratch.setBigInt64(0, bits), scratch.getFloat64(0));

/** Bits of a core value in a type that holds several cases. */
function widen(value: FlatValue, from: FlatType, to: FlatType): FlatValue {
  if (from === to) return value;
  if (to === 'i32') return bitsOfF32(Number(value));
  if (from === 'i32') return BigInt(Number(value) >>> 0);
  return from === 'f32' ? BigInt(bitsOfF32(Number(value)) >>> 0) : bitsOfF64(Number(value));
}

function narrow(value: FlatValue, from: FlatType, to: FlatType): FlatValue {
  if (from === to) return value;
  if (from === 'i32') return f32OfBits(Number(value));
  const bits = BigInt(value);
  if (to === 'f64') return f64OfBits(BigInt.asIntN(64, bits));
  const low = Number(BigInt.asIntN(32, bits));
  return to === 'f32' ? f32OfBits(low) : low;
}

/** An enum, as the number of its case. */
export function enumType(labels: readonly string[]): ValueTypeCode {
  const code = discriminantType(labels.length);
  const checked = (index: number): number => (index < labels.length ? index : trap(`an enum has no case ${index}`));
  return {
    ...code,
    kind: 'enum',
    load: (context, pointer) => checked(code.load(context, pointer) as number),
    lift: (_context, next) => checked(Number(next()) >>> 0),
    describe: () => describeParts('enum', '{', labels, '}'),
  };
}

/** Flags, as the bits of a number. */
export function flagsType(labels: readonly string[]): ValueTypeCode {
  if (labels.length > 32) unlinkable('it has more than 32 flags in one type');
  const code = bitsType(labels.length);
  const mask = labels.length === 32 ? 0xffff_ffff : 2 ** labels.length - 1;
  const known = (bits: Value): number => (Number(bits) & mask) >>> 0;
  return {
    ...code,
    kind: 'flags',
    load: (context, pointer) => known(code.load(context, pointer)),
    lift: (_context, next) => known(Number(next())),
    describe: () => describeParts('flags', '{', labels, '}'),
  };
}

/** A handle: `own` moves the resource, `borrow` lends it for the time of a call. */
export function handleType(kind: 'own' | 'borrow', type: ResourceType): ValueTypeCode {
  const up = (context: CallContext, index: number): Value => {
    const { handles } = context.instance;
    const entry = handles.get(index, type);
    if (kind === 'own') {
      if (!entry.owns) trap(`handle ${index} is borrowed and cannot be given away`);
      if (entry.lends > 0) trap(`handle ${index} was given away while it was lent`);
      handles.remove(index);
    } else {
      entry.lends++;
      context.scope.lent.push(entry);
    }
    const { representation } = entry;
    return type.hostClass ? (representation as object) : new GuestResource(type, representation as number);
  };
  const down = (context: CallContext, value: Value): number => {
    const representation = representationOf(value, type);
    if (kind === 'own') return context.instance.handles.add({ type, representation, owns: true, lends: 0 });
    if (type.owner === context.instance) return representation as number;
    context.scope.borrowed++;
    return context.instance.handles.add({ type, representation, owns: false, lends: 0, scope: context.scope });
  };
  return {
    kind,
    size: 4,
    align: 4,
    flat: ['i32'],
    weight: 1,
    depth: 1,
    load: (context, pointer) => up(context, context.heap.at(pointer, 4).getUint32(pointer, true)),
    store: (context, value, pointer) => {
      const index = down(context, value);
      context.heap.at(pointer, 4).setUint32(pointer, index, true);
    },
    lift: (context, next) => up(context, Number(next()) >>> 0),
    lower: (context, value, out) => void out.push(down(context, value)),
    describe: () => `${kind}<${type.name ?? '?'}>`,
  };
}

function representationOf(value: Value, type: ResourceType): number | object {
  if (type.hostClass && value instanceof type.hostClass) return value;
  if (value instanceof GuestResource && value.type === type) return value.representation;
  return trap('a resource is of another type');
}
