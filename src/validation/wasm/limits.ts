/**
 * How large each part of a module may be. They keep compile bombs from the engine: modules of a few megabytes whose
 * locals, types or tables take it minutes or gigabytes. Real agents stay far below the fixed ones.
 */
export interface ModuleLimits {
  types: number;
  /** Parameters, and results, of one function type; the engine's own limit. */
  parameters: number;
  imports: number;
  /** Functions the module defines; imported ones count as imports. */
  functions: number;
  tables: number;
  /** Initial elements of all tables together; also the entries of all element segments together. */
  tableElements: number;
  memories: number;
  /** Initial size, pages of 64 KiB. */
  memoryPages: number;
  tags: number;
  globals: number;
  exports: number;
  elementSegments: number;
  dataSegments: number;
  customSections: number;
  /** Locals of one function, parameters not counted. */
  localsPerFunction: number;
  localsInAll: number;
  /** Bytes of one function's body. */
  functionBytes: number;
  /** Blocks, loops and conditions inside one another, in one function. */
  nesting: number;
  /** Bytes of all data segments together, and of the contents of all custom sections together. */
  dataBytes: number;
  customBytes: number;
  /** Bytes of one name. */
  nameBytes: number;
  /** Bytes of the names of imports, exports and custom sections together, so that a report stays small. */
  nameBytesInAll: number;
}

/** The limits that are the same in every installation. */
export const FIXED_LIMITS = {
  types: 20_000,
  parameters: 1000,
  tables: 8,
  memories: 1,
  tags: 1000,
  globals: 10_000,
  elementSegments: 10_000,
  dataSegments: 100_000,
  customSections: 1000,
  localsInAll: 4_000_000,
  nameBytes: 1024,
  nameBytesInAll: 512 * 1024,
} satisfies Partial<ModuleLimits>;
