import { wasmTools } from '../../src/validation/check/wasm-tools.js';

/** Assembles a component. @throws Error with the complaint of the assembler */
export function component(text: string): Uint8Array {
  const answer = wasmTools().parse(Buffer.from(text));
  if ('fault' in answer) throw new Error(answer.fault);
  return answer.ok;
}

/** Parts of an agent that is a component. */
export interface ComponentParts {
  /** Definitions of the component before its core module. */
  imports?: string;
  /** Arguments of the core module: `(with "host" (instance …))`. */
  args?: string;
  /** Imports of the core module, and its further functions. */
  coreImports?: string;
  core?: string;
  /** Body of its entry function `(param $at i32) (param $size i32) (result i32)`, and of its `realloc`. */
  run?: string;
  realloc?: string;
  /** Further options of the canonical function of the entry. */
  options?: string;
  /** Name of the exported interface. */
  name?: string;
}

/** Body of an entry function that answers its input. */
export const ECHO = '(i32.store8 (i32.const 16) (i32.const 0)) (call $answer (local.get $at) (local.get $size))';

const ALLOCATE = `(local $at i32)
  (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
  (global.set $next (i32.add (local.get $at) (local.get 3)))
  (local.get $at)`;

/** An agent with the function `run` of `zerostate:agent/run`; by default it answers its input. */
export const componentAgent = (parts: ComponentParts = {}): Uint8Array =>
  component(`(component
    ${parts.imports ?? ''}
    (core module $module
      ${parts.coreImports ?? ''}
      (memory (export "memory") 2)
      (global $next (mut i32) (i32.const 1024))
      (func $realloc (export "realloc") (param i32 i32 i32 i32) (result i32) ${parts.realloc ?? ALLOCATE})
      (func $answer (param $at i32) (param $size i32) (result i32)
        (i32.store (i32.const 20) (local.get $at))
        (i32.store (i32.const 24) (local.get $size))
        (i32.const 16))
      ${parts.core ?? ''}
      (func $run (export "run") (param $at i32) (param $size i32) (result i32) ${parts.run ?? ECHO}))
    (core instance $main (instantiate $module ${parts.args ?? ''}))
    (func $run (param "input" string) (result (result string (error string)))
      (canon lift (core func $main "run") (memory (core memory $main "memory"))
        (realloc (core func $main "realloc")) ${parts.options ?? ''}))
    (instance $exported (export "run" (func $run)))
    (export "${parts.name ?? 'zerostate:agent/run@1.0.0'}" (instance $exported)))`);

/** An agent that calls a method of the host with its input, and answers the host's answer. */
export const componentCaller = (method: string): Uint8Array =>
  component(`(component
    (import "zerostate:agent/host@1.2.3" (instance $host
      (export "call" (func (param "method" string) (param "request" string) (result string)))))
    (core module $libc (memory (export "memory") 2)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
    (core instance $libc (instantiate $libc))
    (core func $call (canon lower (func $host "call") (memory (core memory $libc "memory"))
      (realloc (core func $libc "realloc"))))
    (core instance $host-core (export "call" (func $call)))
    (core module $module
      (import "host" "call" (func $call (param i32 i32 i32 i32 i32)))
      (import "libc" "memory" (memory 1))
      (data (i32.const 64) "${method}")
      (func (export "run") (param $at i32) (param $size i32) (result i32)
        (call $call (i32.const 64) (i32.const ${method.length}) (local.get $at) (local.get $size) (i32.const 20))
        (i32.const 16)))
    (core instance $main (instantiate $module (with "host" (instance $host-core)) (with "libc" (instance $libc))))
    (func $run (param "input" string) (result (result string (error string)))
      (canon lift (core func $main "run") (memory (core memory $libc "memory"))
        (realloc (core func $libc "realloc"))))
    (instance $exported (export "run" (func $run)))
    (export "zerostate:agent/run@1.0.0" (instance $exported)))`);

const HEADER = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];
const section = (id: number, content: number[]): number[] => [
  id,
  (content.length & 0x7f) | 0x80,
  content.length >> 7,
  ...content,
];

/** Each type is a tuple of two of the one before: 2^28 numbers in 131 bytes. */
export function tupleBomb(): Uint8Array {
  const tuples = Array.from({ length: 28 }, (_, index) => [0x6f, 2, index, index]).flat();
  return Uint8Array.of(...HEADER, ...section(7, [29, 0x79, ...tuples]));
}

/** Each component instantiates the one inside it twice. */
export function instanceBomb(depth: number): Uint8Array {
  let nested = HEADER;
  for (let level = 0; level < depth; level++) {
    nested = [...HEADER, ...section(4, nested), ...section(5, [2, 0, 0, 0, 0, 0, 0])];
  }
  return Uint8Array.from(nested);
}

/** A module with 100 MiB of memory, 64 times. */
export const memoryBomb = (): Uint8Array =>
  component(
    `(component (core module $m (memory (export "memory") 1600)) ${'(core instance (instantiate $m))'.repeat(64)})`,
  );
