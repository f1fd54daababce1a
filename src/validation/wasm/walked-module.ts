import type { ByteReader } from './byte-reader.js';
import type { CustomSectionContent } from './custom-sections.js';
import type { ModuleLimits } from './limits.js';

/** What a module imports or exports; the position of a kind is its number in the binary format. */
export const EXTERNAL_KINDS = ['function', 'table', 'memory', 'global', 'tag'] as const;
export type ExternalKind = (typeof EXTERNAL_KINDS)[number];

/** What a component imports or exports. */
export const COMPONENT_KINDS = ['instance', 'function', 'type', 'component'] as const;
export type ComponentKind = (typeof COMPONENT_KINDS)[number];

/** A module's description, as far as it was read. Types are text: see `types.ts`. */
export interface WalkedModule {
  /** Of the binary format; null when the file has no header of a core module. */
  version: number | null;
  /** Of a component, `module` is the whole name of what it imports, and `name` and `type` are empty. */
  imports: { module: string; name: string; kind: ExternalKind | ComponentKind; type: string }[];
  exports: { name: string; kind: ExternalKind | ComponentKind; type: string }[];
  /** The first memory, imported or defined. */
  memory: MemoryShape | null;
  /** Initial elements of all tables together. */
  tableElements: number;
  /** Functions, and globals, the module defines; imported ones are not counted. */
  functions: number;
  globals: number;
  dataSegments: number;
  /** `size` is in bytes and does not count the name. */
  customSections: ({ name: string; size: number } & CustomSectionContent)[];
  /** Index of the function that runs at instantiation. */
  startFunction: number | null;
  /** Further counts, which show what makes a binary large. */
  details: ModuleDetails;
  /** Null for a core module. Of a component, all counts above are those of its core modules together. */
  component: WalkedComponent | null;
}

export interface WalkedComponent {
  /** In the order of the file; sizes are bytes. */
  coreModules: { size: number; functions: number; codeBytes: number; dataBytes: number }[];
}

export interface ModuleDetails {
  types: number;
  tables: number;
  tags: number;
  elementSegments: number;
  /** Locals of all functions together, parameters not counted. */
  locals: number;
  /** Bytes of all function bodies, data segments and contents of custom sections. */
  codeBytes: number;
  dataBytes: number;
  customBytes: number;
  /** Its index and the bytes of its body; null without functions. */
  largestFunction: { index: number; bytes: number } | null;
}

/** Sizes are pages of 64 KiB. */
export interface MemoryShape {
  minPages: number;
  maxPages: number | null;
  shared: boolean;
  is64: boolean;
}

/** The description of a module before anything of it was read. */
export const blankModule = (): WalkedModule => ({
  version: null,
  imports: [],
  exports: [],
  memory: null,
  tableElements: 0,
  functions: 0,
  globals: 0,
  dataSegments: 0,
  customSections: [],
  startFunction: null,
  details: {
    types: 0,
    tables: 0,
    tags: 0,
    elementSegments: 0,
    locals: 0,
    codeBytes: 0,
    dataBytes: 0,
    customBytes: 0,
    largestFunction: null,
  },
  component: null,
});

/** Everything a walk carries from section to section. */
export interface WalkState {
  readonly reader: ByteReader;
  readonly limits: ModuleLimits;
  readonly module: WalkedModule;
  /** Signature of each function type, by type index. */
  readonly types: string[];
  /** Type of each function, table, … by its index: imported ones first, then those the module defines. */
  readonly spaces: Record<ExternalKind, string[]>;
  /** Function bodies the code section held; null before it was read. */
  bodies: number | null;
  /** Segments the data count section announced; null without one. */
  announcedDataSegments: number | null;
  elements: number;
  nameBytes: number;
}
