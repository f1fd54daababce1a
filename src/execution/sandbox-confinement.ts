import { confine, type Confinement } from '../confinement/index.js';
import type { SandboxConfig } from '../config/index.js';
import { PAGE_BYTES } from './sandbox/engine.js';

/**
 * The walls around a sandbox process, from the limits on agents.
 */
export function confineSandbox(config: SandboxConfig): Promise<Confinement> {
  const agentBytes = config.maxMemoryPages * PAGE_BYTES;
  return confine({
    scripts: SCRIPTS,
    stackKb: config.stackKb,
    poolThreads: POOL_THREADS,
    heapMb: Math.max(MIN_HEAP_MB, Math.ceil((2 * agentBytes) / MB)),
    // Output grows by doubling, and what it grew out of is still there.
    memoryBytes: agentBytes + config.maxInputBytes + 2 * config.maxOutputBlobBytes + RUNTIME_BYTES,
    // No less than all runs of a process may take together: the limit of each is the server's to keep.
    cpuSeconds: Math.ceil(config.maxCpuMs / 1000) * config.recycleAfterRuns,
    wasmMaxMemoryPages: config.maxMemoryPages,
    wasmMaxTableElements: config.maxTableElements,
  });
}

/** The sandbox process and everything it imports. */
const SCRIPTS = [
  './sandbox/runner.js',
  './sandbox/agent-run.js',
  './sandbox/call-files.js',
  './sandbox/component-run.js',
  './sandbox/component/canonical.js',
  './sandbox/component/compound-types.js',
  './sandbox/component/faults.js',
  './sandbox/component/heap.js',
  './sandbox/component/host-interface.js',
  './sandbox/component/instantiate.js',
  './sandbox/component/memories.js',
  './sandbox/component/prepared.js',
  './sandbox/component/resources.js',
  './sandbox/component/scalar-types.js',
  './sandbox/component/type-code.js',
  './sandbox/component/value-type.js',
  './sandbox/descriptors.js',
  './sandbox/engine.js',
  './sandbox/errno.js',
  './sandbox/growing-bytes.js',
  './sandbox/guest-memory.js',
  './sandbox/host-calls.js',
  './sandbox/host-clock.js',
  './sandbox/instructions.js',
  './sandbox/json-output.js',
  './sandbox/observation.js',
  './sandbox/poll.js',
  './sandbox/post-mortem.js',
  './sandbox/run-ended.js',
  './sandbox/stack.js',
  './sandbox/standard-error.js',
  './sandbox/traps.js',
  './sandbox/wasi-host.js',
  './sandbox/wasi2/http.js',
  './sandbox/wasi2/http-fields.js',
  './sandbox/wasi2/http-messages.js',
  './sandbox/wasi2/http-types.js',
  './sandbox/wasi2/streams.js',
  './sandbox/wasi2/wasi2-host.js',
  './frames.js',
  '../common/component/component-imports.js',
  '../common/component/component-reader.js',
  '../common/component/decode-types.js',
  '../common/component/decode.js',
  '../common/component/definitions.js',
  '../common/component/header.js',
  '../common/json-scanner.js',
  '../common/printable.js',
].map((path) => new URL(path, import.meta.url));

/** With the agent's own thread two: no slot takes more cores, and the server looks at CPU time in time for that. */
const POOL_THREADS = 1;
const MB = 1024 * 1024;
const MIN_HEAP_MB = 256;
/** What Node.js, the compiler and the copies of a large module need beside the agent's memory. */
const RUNTIME_BYTES = 250_000_000;
