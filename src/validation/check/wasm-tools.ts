import { readFileSync } from 'node:fs';

/**
 * The validator of `wasm-tools`, compiled to WebAssembly: version and licence in `wasm-tools.md`. A function of it that
 * panics leaves its instance unusable, so every call has an instance of its own.
 */
export interface WasmTools {
  /** Validates a component. @returns its world as WIT, or why it is not valid */
  componentWit(component: Uint8Array): ToolAnswer;
  /** Assembles the text format. Only tests need it. */
  parse(text: Uint8Array): ToolAnswer;
}

export type ToolAnswer = { ok: Uint8Array } | { fault: string };

interface Engine {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: Exports };
}
type Exports = Record<string, (...args: number[]) => number> & { memory: { buffer: ArrayBuffer } };
const engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

/** What of WASI preview 1 it imports, answered as on a machine without files, arguments and environment. */
const ERRNO = { badf: 8, nosys: 52 };
const NO_FILES = [
  'fd_close',
  'fd_fdstat_get',
  'fd_filestat_get',
  'fd_prestat_get',
  'fd_prestat_dir_name',
  'fd_read',
  'fd_readdir',
  'fd_write',
  'path_filestat_get',
  'path_open',
];

let compiled: object | undefined;

/** Compiles the tools at the first call, which takes some 20 ms. */
export function wasmTools(): WasmTools {
  compiled ??= new engine.Module(readFileSync(new URL('./wasm-tools.wasm', import.meta.url)));
  const module = compiled;
  return {
    componentWit: (component) => call(module, 'component-wit', component),
    parse: (text) => call(module, 'parse', text),
  };
}

/** Calls a function from bytes to `result<bytes, string>`. */
function call(module: object, name: string, bytes: Uint8Array): ToolAnswer {
  const memory = (): ArrayBuffer => exports.memory.buffer;
  const exports: Exports = new engine.Instance(module, { wasi_snapshot_preview1: wasi(memory) }).exports;
  const input = exports.cabi_realloc(0, 0, 1, bytes.length) >>> 0;
  new Uint8Array(exports.memory.buffer, input, bytes.length).set(bytes);
  const result = exports[`local:wasm-tools/tools#${name}`](input, bytes.length) >>> 0;
  const view = new DataView(exports.memory.buffer);
  const [start, length] = [view.getUint32(result + 4, true), view.getUint32(result + 8, true)];
  const answer = new Uint8Array(exports.memory.buffer, start, length).slice();
  return view.getUint8(result) === 0 ? { ok: answer } : { fault: new TextDecoder().decode(answer) };
}

function wasi(memory: () => ArrayBuffer): object {
  const setU32 = (at: number, value: number): void => new DataView(memory()).setUint32(at >>> 0, value, true);
  return {
    ...Object.fromEntries(NO_FILES.map((name) => [name, () => ERRNO.badf])),
    environ_get: () => 0,
    environ_sizes_get: (count: number, size: number) => (setU32(count, 0), setU32(size, 0), 0),
    random_get: (at: number, length: number) => {
      crypto.getRandomValues(new Uint8Array(memory(), at >>> 0, length >>> 0));
      return 0;
    },
    proc_exit: () => {
      throw new Error('wasm-tools exited');
    },
  };
}
