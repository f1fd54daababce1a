import { setFlagsFromString } from 'node:v8';

/** As much of the WebAssembly JavaScript API as the sandbox needs; Node's types do not declare it. */
export interface Engine {
  Module: {
    new (bytes: Uint8Array): CompiledModule;
    exports(module: CompiledModule): { name: string; kind: string }[];
  };
  Instance: new (module: CompiledModule, imports: object) => { readonly exports: Record<string, unknown> };
  Exception: abstract new () => Error;
  LinkError: abstract new () => Error;
  RuntimeError: abstract new () => Error;
  Memory: abstract new () => object;
  Table: abstract new () => object;
  Global: abstract new () => object;
  Tag: abstract new () => object;
}

/** Opaque; holds no state of any run. */
export type CompiledModule = { readonly compiled: unique symbol };

export interface LinearMemory {
  /** Another object after every growth. */
  readonly buffer: ArrayBuffer;
}

export interface Table {
  /** Elements; a `bigint` where the table is addressed with 64 bits. */
  readonly length: number | bigint;
}

export const PAGE_BYTES = 65_536;

export const engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

/**
 * Sets the most pages any memory may have from now on, at instantiation and when it grows. V8 looks its flag up each
 * time, so a lower one for a run needs neither another process nor a module compiled anew. Code keeps the one it is compiled
 * under, though (Node.js 24: whatever has a larger constant offset traps), so compile under the highest that any run may have.
 */
export function limitMemory(pages: number): void {
  setFlagsFromString(`--wasm-max-mem-pages=${pages}`);
}

/**
 * Sets the most elements any table may have from now on. V8 looks at it when a table grows and, depending on its version,
 * when a module is compiled or instantiated: what was compiled under another limit must be compiled anew.
 */
export function limitTables(elements: number): void {
  setFlagsFromString(`--wasm-max-table-size=${elements}`);
}

/** The confinement starts Node.js with `--expose-gc`. Without it (unit tests), collections come by themselves. */
const gc = (globalThis as { gc?: () => void }).gc ?? (() => undefined);

/**
 * Gives the memories of ended runs back to the system: V8 sees no hurry while the process is idle. 1–3 ms each time; V8 frees
 * buffers in the background, and the second waits for what the first has found.
 */
export function collectGarbage(): void {
  gc();
  gc();
}
