import type { Wall } from '../common/walls.js';

/** What a confined child is and may use. */
export interface ConfinementRequest {
  /** Compiled ES modules the child needs, its entry first. They are copied with their places relative to each other. */
  scripts: readonly URL[];
  /** V8's stack, KiB; unset: its own choice, 984. The system's limit (usually 8 MiB) must leave room above it. */
  stackKb?: number;
  /** V8's threads for compiling and collecting garbage, beside the one that runs the script; unset: its own choice, 4. */
  poolThreads?: number;
  /** V8's old space, MiB; at least twice the wasm memory, or every `memory.grow` triggers a collection. */
  heapMb: number;
  /** Private writable memory, bytes; what the running version of V8 reserves without using it is added. */
  memoryBytes: number;
  /** CPU time of the whole life of one child, seconds. */
  cpuSeconds: number;
  /** Pages of 64 KiB one wasm memory may have; unset: V8's own maximum. */
  wasmMaxMemoryPages?: number;
  /** Elements one wasm table may have; unset: V8's own maximum. */
  wasmMaxTableElements?: number;
  /** Walls to leave out, so that a test sees how the others stand without them. Nothing but a test sets this. */
  without?: readonly Wall[];
}
