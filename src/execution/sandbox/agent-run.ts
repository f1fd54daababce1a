import { INPUT_REFUSED_EXIT, type ReportedOutcome } from '../frames.js';
import type { RunLimits, TrapKind } from '../run.js';
import { engine, PAGE_BYTES, type CompiledModule, type LinearMemory, type Table } from './engine.js';
import { outputFault } from './json-output.js';
import { type Observation, refusedBytes, stackHasOverflowed } from './observation.js';
import { RunEnded } from './run-ended.js';
import { printable } from '../../common/printable.js';
import { withLessStack } from './stack.js';
import { trapOf, type Trap } from './traps.js';
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
  const limitBytes = limits.maxMemoryPages * PAGE_BYTES;
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
    return host.ended ? outcomeOf(host.ended, host, limits) : { end: 'exited', code: 0, stderrTail: '' };
  } catch (error) {
    const outcome = outcomeOf(host.ended ?? error, host, limits);
    if (!exports || (outcome.end !== 'trapped' && outcome.end !== 'exited')) return outcome;
    if (outcome.end === 'exited' && outcome.code === 0) return outcome;
    if (outcome.end === 'trapped' && outcome.trap === 'stack_overflow') return outcome;
    if (outcome.end === 'trapped' && stackHasOverflowed(exports, observation))
      return { ...outcome, trap: 'linear_stack_overflow' };
    const askedBytes = refusedBytes(exports, observation);
    const hadBytes = host.memory.byteLength;
    if (askedBytes !== undefined) return { end: 'out_of_memory', limitBytes, hadBytes, askedBytes };
    const memoryIsFull = hadBytes === limitBytes && firstBytes < limitBytes;
    if (memoryIsFull && gaveUp(outcome, 'out_of_bounds_memory')) return { end: 'out_of_memory', limitBytes };
    const limitElements = limits.maxTableElements;
    const aTableIsFull = tables.some(({ table, first }) => lengthOf(table) === limitElements && first < limitElements);
    if (aTableIsFull && gaveUp(outcome, 'out_of_bounds_table')) return { end: 'table_too_large', limitElements };
    return outcome;
  }
}

interface Growing {
  table: Table;
  /** Elements it had before the agent ran. */
  first: number;
}

/** The others cannot be seen from outside. */
function exportedTables(module: CompiledModule, exports: Record<string, unknown>): Growing[] {
  const names = engine.Module.exports(module).filter(({ kind }) => kind === 'table');
  return names.map(({ name }) => exports[name] as Table).map((table) => ({ table, first: lengthOf(table) }));
}

const lengthOf = (table: Table): number => Number(table.length);

/** What of the calling convention the module's exports do not meet. Told before a start function could run. */
function conventionFault(module: CompiledModule): string | undefined {
  const kinds = new Map(engine.Module.exports(module).map(({ name, kind }) => [name, kind]));
  if (kinds.get('_start') !== 'function') return 'it exports no function `_start`';
  if (kinds.get('memory') !== 'memory') return 'it exports no memory `memory`';
  return undefined;
}

function outcomeOf(error: unknown, host: WasiHost, limits: RunLimits): ReportedOutcome {
  const stderrTail = host.stderr.tail;
  if (error instanceof RunEnded) {
    switch (error.how.end) {
      case 'exit':
        if (error.how.code === INPUT_REFUSED_EXIT) return { end: 'input_refused', stderrTail };
        return { end: 'exited', code: error.how.code, stderrTail };
      case 'abort':
        return trapped({ ...trapOf(error), trap: 'abort' }, stderrTail);
      case 'output_too_large':
        return error.how;
    }
  }
  const fault = linkFault(error);
  return fault ? unstartable(fault, limits) : trapped(trapOf(error), stderrTail);
}

/** @param fault what the engine said when it would not compile or instantiate the module */
export function unstartable(fault: string, { maxMemoryPages, maxTableElements }: RunLimits): ReportedOutcome {
  if (fault.startsWith('Out of memory')) return { end: 'out_of_memory', limitBytes: maxMemoryPages * PAGE_BYTES };
  if (TOO_MANY_ELEMENTS.test(fault)) return { end: 'table_too_large', limitElements: maxTableElements };
  return { end: 'refused', reason: fault };
}

/** Of a table, or of a segment which fills one; some versions of V8 leave a space before it. */
const TOO_MANY_ELEMENTS = /^ ?(initial table size|number of elements of) /;

const trapped = (trap: Trap, stderrTail: string): ReportedOutcome => ({ end: 'trapped', ...trap, stderrTail });

/**
 * The ends of programs whose memory or table cannot grow any more: they give up, or use what they did not get.
 * @param misuse the trap of the latter
 */
const gaveUp = (outcome: ReportedOutcome, misuse: TrapKind): boolean =>
  (outcome.end === 'exited' && outcome.code !== 0) ||
  (outcome.end === 'trapped' && ['unreachable', 'abort', misuse].includes(outcome.trap));

/** What is wrong with a module that cannot be instantiated. V8 marks its complaints about imports and memories by text. */
function linkFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const text = /^WebAssembly\.Instance\(\): (.*)$/s.exec(error.message)?.[1];
  if (!text || error instanceof engine.RuntimeError) return undefined;
  return printable(text);
}
