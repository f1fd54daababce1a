import { ApiInteger } from '../common/api-schema.js';
import type { ExternalKind } from './wasm/walked-module.js';

/** Why a binary was refused. */
export class ValidationRefusal {
  /**
   * Stable name of the reason.
   * @example "UNKNOWN_IMPORT"
   */
  code: string;

  /** What is wrong and how to mend it. */
  message: string;

  /** Byte of the file at which it was seen; null when it is no single place. */
  @ApiInteger()
  offset: number | null;
}

/** Something the host has to provide to a binary. */
export class WasmImport {
  /** @example "wasi_snapshot_preview1" */
  module: string;

  /** @example "fd_write" */
  name: string;

  /** @example "function" */
  kind: ExternalKind;

  /**
   * Signature of a function; for others their type. Lists of more than twelve values are cut.
   * @example "(i32, i32, i32, i32) -> (i32)"
   */
  type: string;
}

/** Something a binary offers to the host. */
export class WasmExport {
  /** @example "_start" */
  name: string;

  /** @example "function" */
  kind: ExternalKind;

  /**
   * As of an import.
   * @example "() -> ()"
   */
  type: string;
}

/** The linear memory of a binary; sizes are pages of 64 KiB. */
export class WasmMemory {
  /** Pages it starts with. */
  @ApiInteger()
  min_pages: number;

  /** Pages it may grow to; null without a bound of its own. */
  @ApiInteger()
  max_pages: number | null;

  /** Whether threads could share it; such binaries are refused. */
  shared: boolean;

  /** Whether its addresses have 64 bits; such binaries are refused. */
  is_64: boolean;
}

/** What the names in a binary cover. */
export class WasmNames {
  /** What the module is called; null when it has no name. */
  module: string | null;

  /** Functions that have names. */
  @ApiInteger()
  functions: number;
}

/** A tool that had part in writing a binary. */
export class WasmProducer {
  /** @example "processed-by" */
  field: string;

  /** @example "rustc" */
  name: string;

  /** @example "1.63.0" */
  version: string;
}

/** A function a binary defines. */
export class WasmFunctionSize {
  /** Imported functions come first. */
  @ApiInteger()
  index: number;

  /** Of its body. */
  @ApiInteger()
  bytes: number;
}

/** Part of a binary that has no meaning to the engine, such as debug information. */
export class WasmCustomSection {
  /** @example "producers" */
  name: string;

  /** Bytes, its name not counted. */
  @ApiInteger()
  size: number;

  /** What a section `name` says. */
  names?: WasmNames;

  /** What a section `producers` says: who wrote the binary. */
  producers?: WasmProducer[];

  /**
   * What a section `target_features` says: `+` is used, `-` must not be used, `=` is required.
   * @example ["+mutable-globals", "+sign-ext"]
   */
  target_features?: string[];
}

/** Further counts of a binary, for whoever wonders what makes it as large as it is. */
export class ValidationDetails {
  @ApiInteger()
  types_count: number;

  /** Imported ones included. */
  @ApiInteger()
  tables_count: number;

  /** Kinds of exceptions, imported ones included. */
  @ApiInteger()
  tags_count: number;

  @ApiInteger()
  element_segments: number;

  /** Of all functions together, parameters not counted. */
  @ApiInteger()
  locals_count: number;

  /** Of all function bodies together. */
  @ApiInteger()
  code_bytes: number;

  /** Of all data segments together. */
  @ApiInteger()
  data_bytes: number;

  /** Of the contents of all custom sections together. */
  @ApiInteger()
  custom_bytes: number;

  /** Null when it defines no function. */
  largest_function: WasmFunctionSize | null;
}

/**
 * What validation found out about a binary, and whether it may become a version of an agent. That of a refused binary
 * describes it as far as it could be read.
 */
export class ValidationReport {
  /** Whether the binary may become a version of an agent. */
  is_valid: boolean;

  /** Why not; null for a valid binary. */
  error: ValidationRefusal | null;

  /** Version of the binary format; null when the file is no core module. */
  @ApiInteger()
  wasm_version: number | null;

  /** What it asks the host for. */
  imports: WasmImport[];

  /**
   * The modules those imports come from, each once.
   * @example ["wasi_snapshot_preview1"]
   */
  imported_modules: string[];

  /** What it offers. */
  exports: WasmExport[];

  /**
   * Names of the functions among the exports.
   * @example ["_start"]
   */
  exported_functions: string[];

  /** Null when it has none. */
  memory: WasmMemory | null;

  /** Initial elements of its tables together. */
  @ApiInteger()
  table_size: number;

  /** Globals it defines. */
  @ApiInteger()
  globals_count: number;

  /** Functions it defines. */
  @ApiInteger()
  functions_count: number;

  /** Segments of initial data. */
  @ApiInteger()
  data_segments: number;

  /** Its custom sections, in order; names may repeat. */
  custom_sections: WasmCustomSection[];

  /** Index of the function that runs at instantiation; null without one. */
  @ApiInteger()
  start_function: number | null;

  /** Further counts. */
  details: ValidationDetails;

  /** Bytes. */
  @ApiInteger()
  size: number;

  /** Of the whole file, lower-case hex. */
  sha256: string;
}
