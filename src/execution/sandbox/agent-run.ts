import type { ReportedOutcome } from '../frames.js';
import { engine, type CompiledModule, type LinearMemory } from './engine.js';
import { outputFault } from './json-output.js';
import type { Observation } from './observation.js';
import { explained, exportedTables, type Growing, outcomeOf } from './post-mortem.js';
import { withLessStack } from './stack.js';
import { WasiHost, type WasiRun } from './wasi-host.js';

/**
 * Before a run, the engine must know the limits of memory and tables (`limitMemory`, `limitTables`). The server enforces the
 * limit of CPU time.
 */
export interface AgentRun extends WasiRun {
  observation: Observation;
  /** Of the stack the process has. */
  withheldStackKb: number;
}

export interface AgentResult {
  outcome: ReportedOutcome;
  /** UTF-8 JSON text when completed; as the agent wrote it where bytes were asked for. */
  output?: Uint8Array;
  peakMemoryBytes: number;
  bytesOut: number;
  hostCalls: number;
}

/**
 * Runs an agent once, as a WASI command: instantiate, call `_start`, read what it wrote. Synchronous from end to end:
 * nothing of the module is ever awaited or returned, so an export named `then` is only an export.
 */
export function runAgent(run: AgentRun): AgentResult {
  const host = new WasiHost(run);
  const ending = start(run, host);
  host.stderr.finish();
  const usage = { peakMemoryBytes: host.memory.byteLength, bytesOut: host.stdout.length, hostCalls: host.calls };
  if (ending.end !== 'exited' || ending.code !== 0) return { outcome: ending, ...usage };
  const fault = outputFault(host.stdout);
  if (fault) return { outcome: { end: 'invalid_output', reason: fault }, ...usage };
  return { outcome: { end: 'completed' }, output: host.stdout, ...usage };
}

/** Up to the end of `_start`, which counts as exit code 0 when it merely returns. */
function start({ observation, limits, withheldStackKb }: AgentRun, host: WasiHost): ReportedOutcome {
  const { module } = observation;
  const misfit = conventionFault(module);
  if (misfit) return { end: 'refused', reason: misfit };
  const imports = host.imports();
  /** Only what is the agent's own: the host's answer must not want for stack. */
  const onItsStack = <Result>(work: () => Result): Result => withLessStack(withheldStackKb * 1024, work);
  let firstBytes = 0;
  let tables: Growing[] = [];
  let exports: Record<string, unknown> | undefined;
  try {
    exports = onItsStack(() => new engine.Instance(module, imports)).exports;
    const command = exports['_start'] as () => void;
    if (command.length > 0) return { end: 'refused', reason: '`_start` takes parameters' };
    const memory = exports['memory'] as LinearMemory;
    if ((memory.buffer as unknown) instanceof SharedArrayBuffer)
      return { end: 'refused', reason: 'its memory is shared' };
    firstBytes = memory.buffer.byteLength;
    host.memory.attach(memory);
    tables = exportedTables(module, exports);
    onItsStack(command);
    return host.ended ? outcomeOf(host.ended, host.stderr.tail, limits) : { end: 'exited', code: 0, stderrTail: '' };
  } catch (error) {
    const outcome = outcomeOf(host.ended ?? error, host.stderr.tail, limits);
    if (!exports) return outcome;
    return explained(outcome, { exports, observation, limits, firstBytes, lastBytes: host.memory.byteLength, tables });
  }
}

/** What of the calling convention the module's exports do not meet. Told before a start function could run. */
function conventionFault(module: CompiledModule): string | undefined {
  const kinds = new Map(engine.Module.exports(module).map(({ name, kind }) => [name, kind]));
  if (kinds.get('_start') !== 'function') return 'it exports no function `_start`';
  if (kinds.get('memory') !== 'memory') return 'it exports no memory `memory`';
  return undefined;
}
