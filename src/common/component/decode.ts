import { ComponentReader } from './component-reader.js';
import { readAlias, readCoreReference, readExtern, readExternName, readReference, readType } from './decode-types.js';
import type { CanonicalOptions, Component, Definition } from './definitions.js';
import { COMPONENT_HEADER } from './header.js';

/** Components inside one another. */
const DEEPEST = 16;
const MOST_SECTIONS = 10_000;

/**
 * Decodes a component. Its size bounds the time, a limit of definitions bounds the memory; core modules are not read.
 * It does not check that indices and types fit together.
 *
 * @throws ComponentFault
 */
export function decodeComponent(bytes: Uint8Array): Component {
  const reader = new ComponentReader(bytes);
  return readComponent(reader, { sections: 0 }, 0);
}

function readComponent(reader: ComponentReader, count: { sections: number }, depth: number): Component {
  if (depth > DEEPEST) reader.unsupported(`its components are nested more than ${DEEPEST} deep`);
  for (const byte of COMPONENT_HEADER) {
    if (reader.u8() !== byte) reader.unsupported('it has an unknown version of the component format');
  }
  const definitions: Definition[] = [];
  const outerEnd = reader.end;
  while (reader.offset < outerEnd) {
    if (++count.sections > MOST_SECTIONS) reader.unsupported(`it has more than ${MOST_SECTIONS} sections`);
    const id = reader.u8();
    const size = reader.u32();
    if (size > outerEnd - reader.offset) reader.fail('a section is longer than the file');
    reader.end = reader.offset + size;
    if (id === 1) definitions.push(readCoreModule(reader));
    else if (id === 4) definitions.push({ kind: 'component', component: readComponent(reader, count, depth + 1) });
    else if (id === 0) readCustom(reader);
    else for (const definition of reader.vector(sectionReader(reader, id))) definitions.push(definition);
    if (!reader.atEnd) reader.fail('a section is longer than its contents');
    reader.end = outerEnd;
  }
  return { definitions };
}

function readCoreModule(reader: ComponentReader): Definition {
  const offset = reader.offset;
  reader.offset = reader.end;
  return { kind: 'core module', bytes: reader.bytes.subarray(offset, reader.end), offset };
}

function readCustom(reader: ComponentReader): void {
  reader.name();
  reader.offset = reader.end;
}

/** How an entry of a section is read. */
function sectionReader(reader: ComponentReader, id: number): () => Definition {
  switch (id) {
    case 2:
      return () => readCoreInstance(reader);
    case 3:
      return reader.unsupported('it defines types of core modules');
    case 5:
      return () => readInstance(reader);
    case 6:
      return () => readAlias(reader);
    case 7:
      return () => ({ kind: 'type', type: readType(reader) });
    case 8:
      return () => readCanonical(reader);
    case 9:
      return reader.unsupported('it has a start function');
    case 10:
      return () => ({ kind: 'import', name: readExternName(reader), extern: readExtern(reader) });
    case 11:
      return () => readExport(reader);
    case 12:
      return reader.unsupported('it defines values');
    default:
      return reader.fail(`a section has the unknown id ${id}`);
  }
}

function readCoreInstance(reader: ComponentReader): Definition {
  const form = reader.u8();
  if (form === 1) {
    const exports = reader.vector(() => ({ name: reader.name(), item: readCoreReference(reader) }));
    return { kind: 'core bundle', exports };
  }
  if (form !== 0) reader.fail('a core instance has an unknown form');
  const module = reader.u32();
  const args = reader.vector(() => {
    const name = reader.name();
    if (reader.u8() !== 0x12) reader.fail('a core module gets something that is no instance');
    return { name, instance: reader.u32() };
  });
  return { kind: 'core instantiate', module, args };
}

function readInstance(reader: ComponentReader): Definition {
  const form = reader.u8();
  if (form === 1) {
    const exports = reader.vector(() => ({ name: readExternName(reader), item: readReference(reader) }));
    return { kind: 'bundle', exports };
  }
  if (form !== 0) reader.fail('an instance has an unknown form');
  const component = reader.u32();
  const args = reader.vector(() => ({ name: reader.name(), item: readReference(reader) }));
  return { kind: 'instantiate', component, args };
}

function readExport(reader: ComponentReader): Definition {
  const name = readExternName(reader);
  const item = readReference(reader);
  reader.optional(() => readExtern(reader));
  return { kind: 'export', name, item };
}

function readCanonical(reader: ComponentReader): Definition {
  const code = reader.u8();
  switch (code) {
    case 0: {
      requireZero(reader);
      const func = reader.u32();
      const options = readOptions(reader);
      return { kind: 'lift', func, options, type: reader.u32() };
    }
    case 1:
      requireZero(reader);
      return { kind: 'lower', func: reader.u32(), options: readOptions(reader) };
    case 2:
      return { kind: 'resource.new', type: reader.u32() };
    case 3:
      return { kind: 'resource.drop', type: reader.u32() };
    case 4:
      return { kind: 'resource.rep', type: reader.u32() };
    default:
      return reader.unsupported('it uses asynchronous functions or threads (WASI 0.3)');
  }
}

function requireZero(reader: ComponentReader): void {
  if (reader.u8() !== 0) reader.fail('a canonical function has an unknown form');
}

function readOptions(reader: ComponentReader): CanonicalOptions {
  const options: CanonicalOptions = {};
  reader.vector(() => {
    const code = reader.u8();
    if (code === 0) return;
    if (code <= 2) reader.unsupported('it encodes strings other than as UTF-8');
    if (code === 3) options.memory = reader.u32();
    else if (code === 4) options.realloc = reader.u32();
    else if (code === 5) options.postReturn = reader.u32();
    else reader.unsupported('it uses asynchronous functions (WASI 0.3)');
  });
  return options;
}
