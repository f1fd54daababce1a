import { readConstantExpression } from './constant-expression.js';
import { customSectionContent } from './custom-sections.js';
import { nestingFault } from './nesting.js';
import { refuse } from './refusal.js';
import {
  readExternalKind,
  readExternalType,
  readFunctionType,
  readGlobalType,
  readMemoryType,
  readReferenceType,
  readTableType,
  readTagType,
  readTypeIndex,
  readValueType,
  withinLimit,
} from './types.js';
import type { ExternalKind, WalkState } from './walked-module.js';

export interface Section {
  name: string;
  /** Place in the module; custom sections have none and may stand anywhere. */
  rank: number | null;
  read: (walk: WalkState) => void;
}

/**
 * The sections by id, and how each is read: from its first byte of content to its last.
 *
 * One reader per section, in the order of the specification: a file as long as the binary format is wide.
 *
 * Source: WebAssembly core specification, chapter 5.5 "Modules", with the tag section of exception handling.
 */
export const SECTIONS: readonly Section[] = [
  { name: 'custom', rank: null, read: readCustom },
  { name: 'type', rank: 1, read: readTypes },
  { name: 'import', rank: 2, read: readImports },
  { name: 'function', rank: 3, read: readFunctions },
  { name: 'table', rank: 4, read: readTables },
  { name: 'memory', rank: 5, read: readMemories },
  { name: 'global', rank: 7, read: readGlobals },
  { name: 'export', rank: 8, read: readExports },
  { name: 'start', rank: 9, read: readStart },
  { name: 'element', rank: 10, read: readElementSegments },
  { name: 'code', rank: 12, read: readCode },
  { name: 'data', rank: 13, read: readDataSegments },
  { name: 'data count', rank: 11, read: readDataCount },
  { name: 'tag', rank: 6, read: readTags },
];

function readCustom(walk: WalkState): void {
  const { reader, limits, module } = walk;
  const start = reader.offset;
  withinLimit(
    'TOO_MANY_CUSTOM_SECTIONS',
    module.customSections.length + 1,
    limits.customSections,
    'custom sections or more',
    start,
  );
  const name = readName(walk);
  const content = reader.bytes.subarray(reader.offset, reader.end);
  const size = content.length;
  reader.skip(size);
  module.details.customBytes += size;
  module.customSections.push({ name, size, ...customSectionContent(name, content) });
  withinLimit(
    'CUSTOM_SECTIONS_TOO_LARGE',
    module.details.customBytes,
    limits.customBytes,
    'bytes of custom sections',
    start,
  );
}

function readTypes(walk: WalkState): void {
  const { reader, limits, module, types } = walk;
  const start = reader.offset;
  const count = reader.u32();
  module.details.types = count;
  withinLimit('TOO_MANY_TYPES', count, limits.types, 'types', start);
  for (let i = 0; i < count; i++) types.push(readFunctionType(walk));
}

function readImports(walk: WalkState): void {
  const { reader, limits, module, spaces } = walk;
  const start = reader.offset;
  const count = reader.u32();
  withinLimit('TOO_MANY_IMPORTS', count, limits.imports, 'imports', start);
  for (let i = 0; i < count; i++) {
    const moduleName = readName(walk);
    const name = readName(walk);
    const kind = readExternalKind(walk);
    const type = readExternalType(walk, kind);
    spaces[kind].push(type);
    module.imports.push({ module: moduleName, name, kind, type });
  }
  withinSpaces(walk, start);
}

function readFunctions(walk: WalkState): void {
  const { reader, limits, module, spaces } = walk;
  const start = reader.offset;
  const count = reader.u32();
  module.functions = count;
  withinLimit('TOO_MANY_FUNCTIONS', count, limits.functions, 'functions', start);
  for (let i = 0; i < count; i++) spaces.function.push(readTypeIndex(walk));
}

function readTables(walk: WalkState): void {
  const { reader, limits, spaces } = walk;
  const start = reader.offset;
  const count = reader.u32();
  withinLimit('TOO_MANY_TABLES', spaces.table.length + count, limits.tables, 'tables', start);
  for (let i = 0; i < count; i++) spaces.table.push(readTableType(walk));
}

function readMemories(walk: WalkState): void {
  const { reader, limits, spaces } = walk;
  const start = reader.offset;
  const count = reader.u32();
  withinLimit('TOO_MANY_MEMORIES', spaces.memory.length + count, limits.memories, 'memories', start);
  for (let i = 0; i < count; i++) spaces.memory.push(readMemoryType(walk));
}

function readTags(walk: WalkState): void {
  const { reader, limits, spaces } = walk;
  const start = reader.offset;
  const count = reader.u32();
  withinLimit('TOO_MANY_TAGS', spaces.tag.length + count, limits.tags, 'tags', start);
  for (let i = 0; i < count; i++) spaces.tag.push(readTagType(walk));
}

function readGlobals(walk: WalkState): void {
  const { reader, limits, module, spaces } = walk;
  const start = reader.offset;
  const count = reader.u32();
  module.globals = count;
  withinLimit('TOO_MANY_GLOBALS', spaces.global.length + count, limits.globals, 'globals', start);
  for (let i = 0; i < count; i++) {
    spaces.global.push(readGlobalType(reader));
    readConstantExpression(reader);
  }
}

function readExports(walk: WalkState): void {
  const { reader, limits, module, spaces } = walk;
  const start = reader.offset;
  const count = reader.u32();
  withinLimit('TOO_MANY_EXPORTS', count, limits.exports, 'exports', start);
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const name = readName(walk);
    if (seen.has(name)) refuse('DUPLICATE_EXPORT', `Two exports are named "${name}".`, at);
    seen.add(name);
    const kind = readExternalKind(walk);
    const index = reader.u32();
    const type = spaces[kind].at(index);
    if (type === undefined) refuseIndex(`The export "${name}"`, kind, index, walk, at);
    module.exports.push({ name, kind, type });
  }
}

function readStart(walk: WalkState): void {
  const { reader, module, spaces } = walk;
  const start = reader.offset;
  const index = reader.u32();
  if (index >= spaces.function.length) refuseIndex('The start section', 'function', index, walk, start);
  module.startFunction = index;
}

/** Flags: bit 0 passive or declarative, bit 1 explicit table (of an active one), bit 2 expressions instead of indices. */
function readElementSegments(walk: WalkState): void {
  const { reader, limits, module } = walk;
  const start = reader.offset;
  const count = reader.u32();
  module.details.elementSegments = count;
  withinLimit('TOO_MANY_ELEMENT_SEGMENTS', count, limits.elementSegments, 'element segments', start);
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const flags = reader.u32();
    if (flags > 7) refuse('INVALID_FLAGS', `The element segment at byte ${at} has unknown flags.`, at);
    const active = (flags & 1) === 0;
    const expressions = (flags & 4) !== 0;
    if (active) {
      if (flags & 2) reader.u32();
      readConstantExpression(reader);
    }
    if (flags & 3) {
      if (expressions) readReferenceType(reader);
      else if (reader.u8() !== 0) refuse('INVALID_FLAGS', `The element segment at byte ${at} has no known kind.`, at);
    }
    const entries = reader.u32();
    walk.elements += entries;
    withinLimit('TABLE_TOO_LARGE', walk.elements, limits.tableElements, 'entries in its element segments', at);
    for (let entry = 0; entry < entries; entry++) {
      if (expressions) readConstantExpression(reader);
      else reader.u32();
    }
  }
}

function readDataCount(walk: WalkState): void {
  walk.announcedDataSegments = walk.reader.u32();
}

/**
 * Bodies are skipped, but for their locals (a few bytes declare millions of them, and each costs the engine time) and for
 * how deeply they nest. The rest of the instructions is the engine's to read; for bodies made to keep it busy there is
 * its deadline.
 */
function readCode(walk: WalkState): void {
  const { reader, limits, module, spaces } = walk;
  const count = reader.u32();
  walk.bodies = count;
  requireABodyPerFunction(walk);
  const sectionEnd = reader.end;
  const imported = spaces.function.length - module.functions;
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const length = reader.u32();
    withinLimit('FUNCTION_TOO_LARGE', length, limits.functionBytes, 'bytes', at, `Function ${imported + i}`);
    const bodyStart = reader.offset;
    reader.skip(length);
    const bodyEnd = reader.offset;
    reader.offset = bodyStart;
    reader.end = bodyEnd;
    readLocals(walk, imported + i);
    requireFlatBody(walk, imported + i);
    module.details.codeBytes += length;
    if (length > (module.details.largestFunction?.bytes ?? -1)) {
      module.details.largestFunction = { index: imported + i, bytes: length };
    }
    reader.offset = bodyEnd;
    reader.end = sectionEnd;
  }
}

function readLocals(walk: WalkState, functionIndex: number): void {
  const { reader, limits, module } = walk;
  const start = reader.offset;
  const groups = reader.u32();
  let locals = 0;
  for (let i = 0; i < groups; i++) {
    locals += reader.u32();
    readValueType(reader);
  }
  const where = `Function ${functionIndex}`;
  withinLimit('TOO_MANY_LOCALS', locals, limits.localsPerFunction, 'locals', start, where);
  module.details.locals += locals;
  withinLimit('TOO_MANY_LOCALS', module.details.locals, limits.localsInAll, 'locals in all', start);
}

function requireFlatBody({ reader, limits }: WalkState, functionIndex: number): void {
  const found = nestingFault(reader.bytes, reader.offset, reader.end, limits.nesting);
  if (!found) return;
  const { fault, offset } = found;
  const where = `Function ${functionIndex}`;
  if (fault === 'too_deep') {
    refuse('NESTING_TOO_DEEP', `${where} nests more than ${limits.nesting} blocks in one another.`, offset);
  }
  refuse('UNKNOWN_INSTRUCTION', `${where} cannot be decoded beyond byte ${offset}.`, offset);
}

/** Flags: 0 active, 1 passive, 2 active with an explicit memory. */
function readDataSegments(walk: WalkState): void {
  const { reader, limits, module } = walk;
  const start = reader.offset;
  const count = reader.u32();
  withinLimit('TOO_MANY_DATA_SEGMENTS', count, limits.dataSegments, 'data segments', start);
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const flags = reader.u32();
    if (flags > 2) refuse('INVALID_FLAGS', `The data segment at byte ${at} has unknown flags.`, at);
    if (flags === 2) reader.u32();
    if (flags !== 1) readConstantExpression(reader);
    const length = reader.u32();
    reader.skip(length);
    module.details.dataBytes += length;
    withinLimit('DATA_TOO_LARGE', module.details.dataBytes, limits.dataBytes, 'bytes of data', at);
  }
  module.dataSegments = count;
}

/** What only shows when all sections have been read. */
export function checkCounts(walk: WalkState): void {
  walk.bodies ??= 0;
  requireABodyPerFunction(walk);
  const { announcedDataSegments, module, reader, spaces } = walk;
  module.details.tables = spaces.table.length;
  module.details.tags = spaces.tag.length;
  if (announcedDataSegments !== null && announcedDataSegments !== module.dataSegments) {
    const seen = `The module announces ${announcedDataSegments} data segments and has ${module.dataSegments}.`;
    refuse('COUNT_MISMATCH', seen, reader.offset);
  }
}

function requireABodyPerFunction({ bodies, module, reader }: WalkState): void {
  if (bodies === module.functions) return;
  refuse(
    'COUNT_MISMATCH',
    `The module declares ${module.functions} functions and has ${bodies} bodies.`,
    reader.offset,
  );
}

function readName(walk: WalkState): string {
  const { reader, limits } = walk;
  const start = reader.offset;
  const name = reader.name(limits.nameBytes);
  walk.nameBytes += reader.offset - start;
  const things = 'bytes of names or more';
  withinLimit('NAMES_TOO_LONG', walk.nameBytes, limits.nameBytesInAll, things, start);
  return name;
}

/** Imported tables, memories and globals take their place in the same limits as defined ones. */
function withinSpaces({ limits, spaces }: WalkState, offset: number): void {
  withinLimit('TOO_MANY_TABLES', spaces.table.length, limits.tables, 'tables', offset);
  withinLimit('TOO_MANY_MEMORIES', spaces.memory.length, limits.memories, 'memories', offset);
}

function refuseIndex(what: string, kind: ExternalKind, index: number, walk: WalkState, offset: number): never {
  refuse('INVALID_INDEX', `${what} names ${kind} ${index}; there are ${walk.spaces[kind].length}.`, offset);
}
