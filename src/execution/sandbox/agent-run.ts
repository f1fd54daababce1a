import type { ReportedOutcome } from '../frames.js';
import type { RunLimits } from '../run.js';
import { engine, PAGE_BYTES, type CompiledModule, type LinearMemory } from './engine.js';
import { readJsonOutput, readLargeOutput } from './json-output.js';
import { RunEnded } from './run-ended.js';
import { printable } from './printable.js';
import { trapOf, type Trap } from './traps.js';
import { WasiHost } from './wasi-host.js';

export interface AgentRun {
  module: CompiledModule;
  /** Standard input. */
  input: Uint8Array;
  environment: Record<string, string>;
  timeoutMs: number;
  /** The engine must have been told the limit of memory (`limitMemory`), the server keeps that of CPU time. */
  limits: RunLimits;
  outputAs: 'text' | 'bytes';
  onLog: (lines: string[]) => void;
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
  const host = new WasiHost(run.input, run.environment, run.timeoutMs, run.limits, run.onLog);
  const ending = start(run, host);
  host.stderr.finish();
  const usage = { peakMemoryBytes: host.memory.byteLength, bytesOut: host.stdout.length, hostCalls: host.calls };
  if (ending.end !== 'exited' || ending.code !== 0) return { outcome: ending, ...usage };
  const read = run.outputAs === 'bytes' ? readLargeOutput(host.stdout) : readJsonOutput(host.stdout);
  if ('fault' in read) return { outcome: { end: 'invalid_output', reason: read.fault }, ...usage };
  const output = 'text' in read ? new TextEncoder().encode(read.text) : read.bytes;
  return { outcome: { end: 'completed' }, output, ...usage };
}

/** Up to the end of `_start`, which counts as exit code 0 when it merely returns. */
function start({ module, limits }: AgentRun, host: WasiHost): ReportedOutcome {
  const misfit = conventionFault(module);
  if (misfit) return { end: 'refused', reason: misfit };
  const limitBytes = limits.maxMemoryPages * PAGE_BYTES;
  let firstBytes = 0;
  try {
    const { exports } = new engine.Instance(module, host.imports());
    const command = exports['_start'] as () => void;
    if (command.length > 0) return { end: 'refused', reason: '`_start` takes parameters' };
    const memory = exports['memory'] as LinearMemory;
    if ((memory.buffer as unknown) instanceof SharedArrayBuffer)
      return { end: 'refused', reason: 'its memory is shared' };
    firstBytes = memory.buffer.byteLength;
    host.memory.attach(memory);
    command();
    return host.ended ? outcomeOf(host.ended, host, limitBytes) : { end: 'exited', code: 0, stderrTail: '' };
  } catch (error) {
    const outcome = outcomeOf(host.ended ?? error, host, limitBytes);
    const grownToLimit = host.memory.byteLength === limitBytes && firstBytes < limitBytes;
    return grownToLimit && ranOutOfMemory(outcome) ? { end: 'out_of_memory', limitBytes } : outcome;
  }
}

/** What of the calling convention the module's exports do not meet. Told before a start function could run. */
function conventionFault(module: CompiledModule): string | undefined {
  const kinds = new Map(engine.Module.exports(module).map(({ name, kind }) => [name, kind]));
  if (kinds.get('_start') !== 'function') return 'it exports no function `_start`';
  if (kinds.get('memory') !== 'memory') return 'it exports no memory `memory`';
  return undefined;
}

function outcomeOf(error: unknown, host: WasiHost, limitBytes: number): ReportedOutcome {
  const stderrTail = host.stderr.tail;
  if (error instanceof RunEnded) {
    switch (error.how.end) {
      case 'exit':
        return { end: 'exited', code: error.how.code, stderrTail };
      case 'abort':
        return trapped({ ...trapOf(error), trap: 'abort' }, stderrTail);
      case 'output_too_large':
        return error.how;
    }
  }
  const refusal = linkFault(error);
  if (!refusal) return trapped(trapOf(error), stderrTail);
  return refusal.startsWith('Out of memory')
    ? { end: 'out_of_memory', limitBytes }
    : { end: 'refused', reason: refusal };
}

const trapped = (trap: Trap, stderrTail: string): ReportedOutcome => ({ end: 'trapped', ...trap, stderrTail });

/** The ends of programs whose memory cannot grow any more: they give up, or use what they did not get. */
const ranOutOfMemory = (outcome: ReportedOutcome): boolean =>
  (outcome.end === 'exited' && outcome.code !== 0) ||
  (outcome.end === 'trapped' && ['unreachable', 'abort', 'out_of_bounds_memory'].includes(outcome.trap));

/** What is wrong with a module that cannot be instantiated. V8 marks its complaints about imports and memories by text. */
function linkFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const text = /^WebAssembly\.Instance\(\): (.*)$/s.exec(error.message)?.[1];
  if (!text || error instanceof engine.RuntimeError) return undefined;
  return printable(text);
}
