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

/** Part of a binary that has no meaning to the engine, such as debug information. */
export class WasmCustomSection {
  /** @example "producers" */
  name: string;

  /** Bytes, its name not counted. */
  @ApiInteger()
  size: number;
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

  /** Bytes. */
  @ApiInteger()
  size: number;

  /** Of the whole file, lower-case hex. */
  sha256: string;
}
