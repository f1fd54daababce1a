import type { FileHandle } from 'node:fs/promises';
import { COMPONENT_HEADER as COMPONENT_HEADER_BYTES } from '../common/component/header.js';
import type { WalkedModule } from './wasm/walked-module.js';

export interface Outline {
  isComponent: boolean;
  sections: SectionHead[];
}

/** A section as its first bytes show it. */
interface SectionHead {
  id: number;
  /** Bytes of its content. */
  size: number;
  /** The number its content begins with: of most sections how many entries it has. */
  first: number;
}

/** Magic number and version of a core module, and of a component. */
const MODULE_HEADER = Buffer.from([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const COMPONENT_HEADER = Buffer.from(COMPONENT_HEADER_BYTES);
/** An id, and two numbers of at most five bytes. */
const HEAD_BYTES = 11;

/**
 * What the server itself reads of a binary: the header and the head of each section, never their content.
 * @param most sections to read
 * @returns null when the file is neither a core module nor a component, or its sections do not add up to its size
 */
export async function outlineOf(binary: FileHandle, size: number, most: number): Promise<Outline | null> {
  const header = await bytesAt(binary, 0, MODULE_HEADER.length);
  const isComponent = COMPONENT_HEADER.equals(header);
  if (!isComponent && !MODULE_HEADER.equals(header)) return null;
  const sections: SectionHead[] = [];
  for (let offset = MODULE_HEADER.length; offset < size;) {
    const head = await bytesAt(binary, offset, HEAD_BYTES);
    const length = numberAt(head, 1);
    if (!length || sections.length === most) return null;
    const first = numberAt(head, length.end)?.value ?? 0;
    sections.push({ id: head[0], size: length.value, first });
    offset += length.end + length.value;
    if (offset > size) return null;
  }
  return { isComponent, sections };
}

async function bytesAt(binary: FileHandle, offset: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await binary.read(Buffer.alloc(length), 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

/** Unsigned LEB128 of at most five bytes. @returns undefined when it is longer, or the bytes end before */
function numberAt(bytes: Buffer, start: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let index = start; index < Math.min(start + 5, bytes.length); index++) {
    value += (bytes[index] & 0x7f) * 2 ** (7 * (index - start));
    if (bytes[index] < 0x80) return { value, end: index + 1 };
  }
  return undefined;
}

/** Sections by their ids in the binary format. */
const ID = { custom: 0, type: 1, import: 2, function: 3, table: 4, memory: 5, global: 6, export: 7, start: 8 } as const;
const LATER_ID = { element: 9, code: 10, data: 11, tag: 13 } as const;

/**
 * Holds the description of a module that was found good against the outline.
 * @returns the first fact that differs, or null
 */
export function contradiction(module: WalkedModule, outline: Outline | null): string | null {
  if (!outline) return 'the file is no module or component with whole sections';
  const { isComponent, sections } = outline;
  if (isComponent) return contradictionOfComponent(module, sections);
  if (module.component) return 'the file is no component';
  const head = (id: number): SectionHead | undefined => sections.find((section) => section.id === id);
  const entries = (id: number): number => head(id)?.first ?? 0;
  const { details, imports } = module;
  const imported = (kind: string): number => imports.filter((one) => one.kind === kind).length;
  const custom = sections.filter(({ id }) => id === ID.custom);
  const facts: Record<string, boolean> = {
    version: module.version === 1,
    types: details.types === entries(ID.type),
    imports: imports.length === entries(ID.import),
    functions: module.functions === entries(ID.function) && module.functions === entries(LATER_ID.code),
    tables: details.tables === entries(ID.table) + imported('table'),
    memory: (module.memory !== null) === entries(ID.memory) + imported('memory') > 0,
    globals: module.globals === entries(ID.global),
    tags: details.tags === entries(LATER_ID.tag) + imported('tag'),
    exports: module.exports.length === entries(ID.export),
    'start function': module.startFunction === (head(ID.start)?.first ?? null),
    'element segments': details.elementSegments === entries(LATER_ID.element),
    'data segments': module.dataSegments === entries(LATER_ID.data),
    'bytes of code': details.codeBytes <= (head(LATER_ID.code)?.size ?? 0),
    'bytes of data': details.dataBytes <= (head(LATER_ID.data)?.size ?? 0),
    'custom sections':
      module.customSections.length === custom.length &&
      module.customSections.every(({ size }, index) => size < custom[index].size),
  };
  return Object.keys(facts).find((name) => !facts[name]) ?? null;
}

/** Sections of a component may come any number of times. */
const COMPONENT_ID = { coreModule: 1, component: 4, import: 10, export: 11 } as const;

function contradictionOfComponent(module: WalkedModule, sections: readonly SectionHead[]): string | null {
  const { component, imports, exports } = module;
  if (!component) return 'the file is a component';
  const all = (id: number): SectionHead[] => sections.filter((section) => section.id === id);
  const entries = (id: number): number => all(id).reduce((sum, { first }) => sum + first, 0);
  const coreModules = all(COMPONENT_ID.coreModule).length;
  const hasNested = all(COMPONENT_ID.component).length > 0;
  const facts: Record<string, boolean> = {
    version: module.version === null,
    imports: imports.length === entries(COMPONENT_ID.import),
    exports: exports.length === entries(COMPONENT_ID.export),
    'core modules': hasNested
      ? component.coreModules.length >= coreModules
      : component.coreModules.length === coreModules,
  };
  return Object.keys(facts).find((name) => !facts[name]) ?? null;
}
