import { ApiInteger } from '../common/api-schema.js';
import type { ComponentKind, ExternalKind } from './wasm/walked-module.js';

// One document of the API, with all its parts. It is long because each member has its description and an example.

/** Why a binary was refused. */
export class ValidationRefusal {
  /**
   * Stable name of the reason.
   * @example "UNKNOWN_IMPORT"
   */
  code: string;

  /**
   * What is wrong and how to mend it.
   * @example "The module exports no function \"_start\"."
   */
  message: string;

  /**
   * Byte of the file at which it was seen; null when it is no single place.
   * @example 118
   */
  @ApiInteger()
  offset: number | null;
}

/** Something the host has to provide to a binary. */
export class WasmImport {
  /** @example "wasi_snapshot_preview1" */
  module: string;

  /** @example "fd_write" */
  name: string;

  /**
   * A component imports whole interfaces, of kind `instance`: `module` is then the name with its version.
   * @example "function"
   */
  kind: ExternalKind | ComponentKind;

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
  kind: ExternalKind | ComponentKind;

  /**
   * As of an import.
   * @example "() -> ()"
   */
  type: string;
}

/** The linear memory of a binary; sizes are pages of 64 KiB. */
export class WasmMemory {
  /**
   * Pages it starts with.
   * @example 2
   */
  @ApiInteger()
  min_pages: number;

  /**
   * Pages it may grow to; null without a bound of its own.
   * @example 16
   */
  @ApiInteger()
  max_pages: number | null;

  /**
   * Whether threads could share it; such binaries are refused.
   * @example false
   */
  shared: boolean;

  /**
   * Whether its addresses have 64 bits; such binaries are refused.
   * @example false
   */
  is_64: boolean;
}

/** What the names in a binary cover. */
export class WasmNames {
  /**
   * What the module is called; null when it has no name.
   * @example "my-agent"
   */
  module: string | null;

  /**
   * Functions that have names.
   * @example 41
   */
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
  /**
   * Imported functions come first.
   * @example 7
   */
  @ApiInteger()
  index: number;

  /**
   * Of its body.
   * @example 412
   */
  @ApiInteger()
  bytes: number;
}

/** Part of a binary that has no meaning to the engine, such as debug information. */
export class WasmCustomSection {
  /** @example "producers" */
  name: string;

  /**
   * Bytes, its name not counted.
   * @example 310
   */
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
  /** @example 9 */
  @ApiInteger()
  types_count: number;

  /**
   * Imported ones included.
   * @example 1
   */
  @ApiInteger()
  tables_count: number;

  /**
   * Kinds of exceptions, imported ones included.
   * @example 0
   */
  @ApiInteger()
  tags_count: number;

  /** @example 1 */
  @ApiInteger()
  element_segments: number;

  /**
   * Of all functions together, parameters not counted.
   * @example 120
   */
  @ApiInteger()
  locals_count: number;

  /**
   * Of all function bodies together.
   * @example 15872
   */
  @ApiInteger()
  code_bytes: number;

  /**
   * Of all data segments together.
   * @example 1024
   */
  @ApiInteger()
  data_bytes: number;

  /**
   * Of the contents of all custom sections together.
   * @example 310
   */
  @ApiInteger()
  custom_bytes: number;

  /** Null when it defines no function. */
  largest_function: WasmFunctionSize | null;
}

/** A core module inside a component. */
export class WasmCoreModule {
  /**
   * Bytes.
   * @example 81920
   */
  @ApiInteger()
  size: number;

  /** @example 212 */
  @ApiInteger()
  functions_count: number;

  /** @example 60431 */
  @ApiInteger()
  code_bytes: number;

  /** @example 4096 */
  @ApiInteger()
  data_bytes: number;
}

/** What is known of a component beyond its core modules together. */
export class WasmComponent {
  /**
   * The world that its entry point belongs to; null without one.
   * @example "wasi:cli/command"
   */
  world: string | null;

  /** Its core modules, in the order of the file. */
  core_modules: WasmCoreModule[];
}

/**
 * What validation found out about a binary, and whether it may become a version of an agent. That of a refused binary
 * describes it as far as it could be read.
 */
export class ValidationReport {
  /**
   * Whether the binary may become a version of an agent.
   * @example true
   */
  is_valid: boolean;

  /** Why not; null for a valid binary. */
  error: ValidationRefusal | null;

  /**
   * Whether the binary is a core module or a component. The counts of a component are those of its core modules together.
   * @example "module"
   */
  form: 'module' | 'component';

  /**
   * Version of the binary format; null when the file is no core module.
   * @example 1
   */
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

  /**
   * Initial elements of its tables together.
   * @example 12
   */
  @ApiInteger()
  table_size: number;

  /**
   * Globals it defines.
   * @example 3
   */
  @ApiInteger()
  globals_count: number;

  /**
   * Functions it defines.
   * @example 41
   */
  @ApiInteger()
  functions_count: number;

  /**
   * Segments of initial data.
   * @example 2
   */
  @ApiInteger()
  data_segments: number;

  /** Its custom sections, in order; names may repeat. */
  custom_sections: WasmCustomSection[];

  /** Index of the function that runs at instantiation; null without one. */
  @ApiInteger()
  start_function: number | null;

  /** Further counts. */
  details: ValidationDetails;

  /** Null for a core module. */
  component: WasmComponent | null;

  /**
   * Bytes.
   * @example 20480
   */
  @ApiInteger()
  size: number;

  /**
   * Of the whole file, lower-case hex.
   * @example "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"
   */
  sha256: string;
}
