import { confine, type Confinement } from '../common/confinement.js';
import type { SandboxConfig } from '../config/index.js';

/**
 * The walls around a sandbox process, from the limits on agents.
 *
 * @param maxTimeoutMs the most a run may ask for
 */
export function confineSandbox(config: SandboxConfig, maxTimeoutMs: number): Promise<Confinement> {
  const agentBytes = config.maxMemoryPages * WASM_PAGE_BYTES;
  return confine({
    scripts: SCRIPTS,
    heapMb: Math.max(MIN_HEAP_MB, Math.ceil((2 * agentBytes) / MB)),
    memoryBytes: agentBytes + RUNTIME_BYTES,
    // No less than all runs of a process may take together: the deadline of each is the server's to keep.
    cpuSeconds: Math.ceil(maxTimeoutMs / 1000) * config.recycleAfterRuns * ENGINE_THREADS,
    wasmMaxMemoryPages: config.maxMemoryPages,
    wasmMaxTableElements: config.maxTableElements,
  });
}

/** The sandbox process and everything it imports. */
const SCRIPTS = [
  './sandbox/runner.js',
  './sandbox/agent-run.js',
  './sandbox/descriptors.js',
  './sandbox/engine.js',
  './sandbox/errno.js',
  './sandbox/guest-memory.js',
  './sandbox/host-clock.js',
  './sandbox/json-output.js',
  './sandbox/poll.js',
  './sandbox/run-ended.js',
  './sandbox/standard-error.js',
  './sandbox/standard-output.js',
  './sandbox/traps.js',
  './sandbox/wasi-host.js',
  './frames.js',
].map((path) => new URL(path, import.meta.url));

const MB = 1024 * 1024;
export const WASM_PAGE_BYTES = 64 * 1024;
const MIN_HEAP_MB = 256;
/** What Node.js, the compiler and the copies of a large module need beside the agent's memory. */
const RUNTIME_BYTES = 250_000_000;
/** Compiler threads burn CPU time beside the agent's own. */
const ENGINE_THREADS = 2;
