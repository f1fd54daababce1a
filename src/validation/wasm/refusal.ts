/** Why a component is refused, beside the reasons that its core modules give. */
export const COMPONENT_ADVICE = {
  INVALID_COMPONENT: 'Build it again with a released toolchain, and check it with wasm-tools validate.',
  COMPONENT_NOT_SUPPORTED:
    'Build for WASI 0.2 without asynchronous functions (no WASI 0.3), threads, values and start functions, and with ' +
    'strings in UTF-8; or build a core module for WASI preview 1.',
  TOO_MANY_CORE_MODULES: 'Link the component from fewer core modules.',
  CORE_MEMORY_NOT_EXPORTED: 'Export the memory of the core module, as toolchains do.',
} as const;

/**
 * Why the section walker refuses a module. Each reason has a stable code, which clients switch on, and an advice that
 * says how to mend the module; the place that refuses adds what it saw.
 */
export const MODULE_ADVICE = {
  // The file is not a core module.
  EMPTY_FILE: 'Upload the compiled .wasm file.',
  NOT_WASM: 'Upload a binary that starts with the bytes 00 61 73 6d ("\\0asm").',
  UNSUPPORTED_WASM_VERSION: 'Build a core module of version 1, which every current toolchain emits.',

  // The file is damaged, or no toolchain wrote it.
  TRUNCATED_MODULE: 'Part of the file is missing: build it again and upload the whole file.',
  UNKNOWN_SECTION: 'Build with released features of WebAssembly only.',
  SECTION_OUT_OF_ORDER: 'Build the module again with an unmodified toolchain.',
  DUPLICATE_SECTION: 'Build the module again with an unmodified toolchain.',
  SECTION_SIZE_MISMATCH: 'The file is damaged: build the module again.',
  INVALID_LEB128: 'The file is damaged: build the module again.',
  INVALID_NAME: 'Rename it in the source: names are UTF-8.',
  INVALID_TYPE: 'The file is damaged, or uses a proposal that has not been released: build with default features.',
  INVALID_FLAGS: 'The file is damaged, or uses a proposal that has not been released: build with default features.',
  INVALID_INDEX: 'The file is damaged: build the module again.',
  INVALID_CONSTANT_EXPRESSION: 'The file is damaged: build the module again.',
  UNKNOWN_INSTRUCTION: 'Build with released features of WebAssembly only.',
  COUNT_MISMATCH: 'The file is damaged: build the module again.',
  DUPLICATE_EXPORT: 'Give every export a name of its own.',

  // The module is in order, but uses what agents may not use.
  MEMORY64_NOT_SUPPORTED: 'Build for wasm32, without the memory64 feature.',
  SHARED_MEMORY_NOT_SUPPORTED: 'Build without threads: no --shared-memory, no -pthread, no atomics feature.',
  GC_TYPES_NOT_SUPPORTED:
    'Build for linear memory: without the garbage collection and typed function reference features.',
  CONTROL_CHARACTER_IN_NAME: 'Rename it in the source.',

  // The module is larger than anything that needs to be built.
  TOO_MANY_TYPES: 'Remove unused code, for example with wasm-opt --remove-unused-module-elements.',
  TOO_MANY_PARAMETERS: 'Pass a pointer to a structure instead.',
  TOO_MANY_IMPORTS: 'Remove unused imports, for example with wasm-opt --remove-unused-module-elements.',
  TOO_MANY_FUNCTIONS: 'Remove unused code (link with --gc-sections, optimise for size) or split the agent.',
  TOO_MANY_TABLES: 'Use one table.',
  TABLE_TOO_LARGE:
    'Each function that is called indirectly has an entry: remove what is not needed, or split the agent. In Go every ' +
    'function has one: import fewer packages (net/http and html/template are large), or use TinyGo.',
  TOO_MANY_MEMORIES: 'Use one memory. Only a component may have more, one in each core module, and 8 in all.',
  MEMORY_TOO_LARGE: 'Lower the initial memory, for example with -Wl,--initial-memory, and let the agent grow it.',
  TOO_MANY_TAGS: 'Use fewer kinds of exceptions.',
  TOO_MANY_GLOBALS: 'Keep constants in memory instead.',
  TOO_MANY_EXPORTS: 'Export what is called from outside only: no --export-all.',
  TOO_MANY_ELEMENT_SEGMENTS: 'Join the element segments into one.',
  TOO_MANY_DATA_SEGMENTS: 'Join the data segments, for example with wasm-opt --memory-packing.',
  DATA_TOO_LARGE: 'Take large data as input of the task instead of building it into the agent.',
  CUSTOM_SECTIONS_TOO_LARGE: 'Strip debug information, for example with wasm-strip or wasm-opt --strip-debug.',
  TOO_MANY_CUSTOM_SECTIONS: 'Strip the module, for example with wasm-strip.',
  TOO_MANY_LOCALS: 'Split the function, or optimise the module so that locals are shared.',
  NESTING_TOO_DEEP: 'Split the function, or turn its largest switch into a table of data or of functions.',
  FUNCTION_TOO_LARGE: 'Split the function, or tell the compiler to inline less.',
  NAME_TOO_LONG: 'Shorten the name.',
  NAMES_TOO_LONG: 'Export fewer names, or shorter ones.',
} as const;

export const ADVICE = { ...MODULE_ADVICE, ...COMPONENT_ADVICE };

export type WalkRefusalCode = keyof typeof ADVICE;

/** Codes of modules that are in order, and are refused for what they use or for how large they are. */
const STRICTER_THAN_THE_FORMAT =
  /^(TOO_|GC_|COMPONENT_NOT|CORE_|MEMORY|SHARED_|TABLE_|FUNCTION_TOO|NESTING_|DATA_|CUSTOM_|NAMES?_TOO|CONTROL_CHARACTER|UNKNOWN_INSTRUCTION)/;

/** Whether a code says that a module is damaged, which every engine refuses too, rather than unwanted. */
export const meansDamaged = (code: WalkRefusalCode): boolean => !STRICTER_THAN_THE_FORMAT.test(code);

export interface Refusal<Code extends string = string> {
  code: Code;
  /** What is wrong and how to mend it, in a sentence or two. */
  message: string;
  /** Byte of the file at which it was seen; null when it is no single place. */
  offset: number | null;
}

/** Carries a refusal from deep inside the walk to its door, which turns it into a value. */
export class RefusalSignal extends Error {
  constructor(readonly refusal: Refusal<WalkRefusalCode>) {
    super(refusal.message);
  }
}

/** @throws RefusalSignal always */
export function refuse(code: WalkRefusalCode, seen: string, offset: number | null): never {
  throw new RefusalSignal({ code, message: `${seen} ${ADVICE[code]}`, offset });
}
