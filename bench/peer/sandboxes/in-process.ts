import { runAgent } from '../../../src/execution/sandbox/agent-run.js';
import type { CompiledModule } from '../../../src/execution/sandbox/engine.js';

/** The server's defaults. Written out: a thread per run must not pay for parsing the environment. */
const limits = {
  maxMemoryPages: 2048,
  maxTableElements: 100_000,
  stackKb: 984,
  maxCpuMs: 120_000,
  maxOutputBytes: 5 * 1024 * 1024,
  maxStderrBytes: 64 * 1024,
  maxStderrLines: 1000,
  clockResolutionUs: 1000,
};

/** The agent on our own WASI host, with no wall around it: what the run itself takes. @returns its output */
export function runInProcess(module: CompiledModule, input: Uint8Array): Uint8Array {
  const { outcome, output } = runAgent({
    observation: { module, observed: false },
    input,
    environment: {},
    timeoutMs: 10_000,
    limits,
    withheldStackKb: 0,
    onLog: () => undefined,
  });
  if (!output) throw new Error(`the agent ended with ${JSON.stringify(outcome)}`);
  return output;
}
