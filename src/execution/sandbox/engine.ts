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
}

/** Opaque; holds no state of any run. */
export type CompiledModule = { readonly compiled: unique symbol };

export interface LinearMemory {
  /** Another object after every growth. */
  readonly buffer: ArrayBuffer;
}

export const engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;
