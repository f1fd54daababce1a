import type { ComponentReader } from './component-reader.js';
import {
  type Alias,
  type CoreSort,
  type Declaration,
  type Extern,
  type Labelled,
  PRIMITIVES,
  type Primitive,
  type Reference,
  type Sort,
  type TypeDefinition,
  type ValueType,
} from './definitions.js';

/** Instance and component types inside one another. */
const DEEPEST = 16;
/** Maps, which have not been released. */
const MAP_TYPE = 0x63;
const ASYNC_TYPES = new Set([0x43, 0x64, 0x65, 0x66]);
const CORE_SORTS = new Map<number, CoreSort>([
  [0x00, 'core func'],
  [0x01, 'core table'],
  [0x02, 'core memory'],
  [0x03, 'core global'],
  [0x04, 'core tag'],
  [0x10, 'core type'],
  [0x11, 'core module'],
  [0x12, 'core instance'],
]);

export function readType(reader: ComponentReader, depth = 0): TypeDefinition {
  if (depth > DEEPEST) reader.unsupported('its types are nested too deeply');
  const valueType = (): ValueType => readValueType(reader);
  const code = reader.u8();
  const primitive = primitiveOf(code);
  if (primitive) return { kind: 'primitive', type: primitive };
  switch (code) {
    case 0x72:
      return { kind: 'record', fields: readLabelled(reader, valueType) };
    case 0x71:
      return { kind: 'variant', cases: readLabelled(reader, () => readCase(reader)) };
    case 0x70:
      return { kind: 'list', element: valueType() };
    case 0x6f:
      return { kind: 'tuple', elements: reader.vector(valueType) };
    case 0x6e:
      return { kind: 'flags', labels: reader.vector(() => reader.name()) };
    case 0x6d:
      return { kind: 'enum', labels: reader.vector(() => reader.name()) };
    case 0x6b:
      return { kind: 'option', some: valueType() };
    case 0x6a:
      return { kind: 'result', ok: reader.optional(valueType), err: reader.optional(valueType) };
    case 0x69:
      return { kind: 'own', resource: reader.u32() };
    case 0x68:
      return { kind: 'borrow', resource: reader.u32() };
    case 0x40:
      return { kind: 'func', params: readLabelled(reader, valueType), result: readResult(reader) };
    case 0x41:
      return { kind: 'component', declarations: reader.vector(() => readDeclaration(reader, depth + 1)) };
    case 0x42:
      return { kind: 'instance', declarations: reader.vector(() => readDeclaration(reader, depth + 1)) };
    case 0x3f:
      if (reader.u8() !== 0x7f) reader.unsupported('it has a resource whose representation is not i32');
      return { kind: 'resource', destructor: reader.optional(() => reader.u32()) };
    case MAP_TYPE:
      return reader.unsupported('it uses maps');
    case 0x67:
      return reader.unsupported('it uses lists of fixed length');
    default:
      if (ASYNC_TYPES.has(code)) reader.unsupported('it uses asynchronous types (WASI 0.3)');
      return reader.fail(`a type begins with the unknown code 0x${code.toString(16)}`);
  }
}

const primitiveOf = (code: number): Primitive | undefined => PRIMITIVES[0x7f - code];

/** A signed LEB128 of 33 bits: negative numbers are primitive types, the others are type indices. */
export function readValueType(reader: ComponentReader): ValueType {
  const primitive = primitiveOf(reader.bytes[reader.offset]);
  if (!primitive) {
    const index = reader.u32();
    // Bit 6 of the last byte is the sign: an index that sets it is one of the codes above.
    const negative = (reader.bytes[reader.offset - 1] & 0x40) !== 0;
    return negative ? reader.fail('a value type has an unknown code') : index;
  }
  reader.u8();
  return primitive;
}

function readLabelled<Type>(reader: ComponentReader, read: () => Type): Labelled<Type>[] {
  return reader.vector(() => ({ label: reader.name(), type: read() }));
}

function readCase(reader: ComponentReader): ValueType | undefined {
  const type = reader.optional(() => readValueType(reader));
  if (reader.u8() !== 0) reader.fail('a case refines another one');
  return type;
}

function readResult(reader: ComponentReader): ValueType | undefined {
  const form = reader.u8();
  if (form === 0) return readValueType(reader);
  if (form !== 1 || reader.u8() !== 0) reader.fail('a function has an unknown form of results');
  return undefined;
}

function readDeclaration(reader: ComponentReader, depth: number): Declaration {
  const code = reader.u8();
  switch (code) {
    case 0:
      return reader.unsupported('it uses types of core modules');
    case 1:
      return { kind: 'type', type: readType(reader, depth) };
    case 2:
      return readAlias(reader);
    case 3:
      return { kind: 'import', name: readExternName(reader), extern: readExtern(reader) };
    case 4:
      return { kind: 'export', name: readExternName(reader), extern: readExtern(reader) };
    default:
      return reader.fail(`a declaration begins with the unknown code ${code}`);
  }
}

/** The name of an import or export. */
export function readExternName(reader: ComponentReader): string {
  const form = reader.u8();
  if (form > 1) reader.unsupported('it has names with attributes');
  return reader.name();
}

export function readExtern(reader: ComponentReader): Extern {
  const code = reader.u8();
  switch (code) {
    case 0:
      return reader.unsupported('it imports or exports a core module');
    case 1:
      return { sort: 'func', type: reader.u32() };
    case 2:
      return reader.unsupported('it imports or exports a value');
    case 3: {
      const bound = reader.u8();
      if (bound > 1) reader.fail('a type has an unknown bound');
      return bound === 0 ? { sort: 'type', equals: reader.u32() } : { sort: 'type' };
    }
    case 4:
      return { sort: 'component', type: reader.u32() };
    case 5:
      return { sort: 'instance', type: reader.u32() };
    default:
      return reader.fail(`an import or export has the unknown kind ${code}`);
  }
}

export function readAlias(reader: ComponentReader): Alias {
  const sort = readSort(reader);
  const target = reader.u8();
  if (target === 0) return { kind: 'alias', sort, from: 'instance', instance: reader.u32(), name: reader.name() };
  if (target === 1) return { kind: 'alias', sort, from: 'core instance', instance: reader.u32(), name: reader.name() };
  if (target === 2) return { kind: 'alias', sort, from: 'outer', depth: reader.u32(), index: reader.u32() };
  return reader.fail('an alias has an unknown target');
}

export const readReference = (reader: ComponentReader): Reference => ({
  sort: readSort(reader),
  index: reader.u32(),
});

export const readCoreReference = (reader: ComponentReader): Reference => ({
  sort: readCoreSort(reader),
  index: reader.u32(),
});

function readSort(reader: ComponentReader): Sort {
  const code = reader.u8();
  switch (code) {
    case 0:
      return readCoreSort(reader);
    case 1:
      return 'func';
    case 2:
      return reader.unsupported('it uses values');
    case 3:
      return 'type';
    case 4:
      return 'component';
    case 5:
      return 'instance';
    default:
      return reader.fail(`${code} is no sort of definitions`);
  }
}

const readCoreSort = (reader: ComponentReader): CoreSort =>
  CORE_SORTS.get(reader.u8()) ?? reader.fail('an unknown sort of core definitions');
