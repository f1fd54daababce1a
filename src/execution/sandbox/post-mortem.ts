import { INPUT_REFUSED_EXIT, type ReportedOutcome } from '../frames.js';
import type { RunLimits, TrapKind } from '../run.js';
import { printable } from '../../common/printable.js';
import { engine, PAGE_BYTES, type CompiledModule, type Table } from './engine.js';
import { type Observation, refusedBytes, stackHasOverflowed } from './observation.js';
import { RunEnded } from './run-ended.js';
import { trapOf, type Trap } from './traps.js';

/** What is left of an agent that has ended: its core instance with the memory. */
export interface Remains {
  exports: Record<string, unknown>;
  observation: Observation;
  limits: RunLimits;
  /** Bytes of its memory at the start and now. */
  firstBytes: number;
  lastBytes: number;
  tables: Growing[];
}

export interface Growing {
  table: Table;
  /** Elements it had before the agent ran. */
  first: number;
}

/** Tables that the module exports; others cannot be seen from outside. */
export function exportedTables(module: CompiledModule, exports: Record<string, unknown>): Growing[] {
  const names = engine.Module.exports(module).filter(({ kind }) => kind === 'table');
  return names.map(({ name }) => exports[name] as Table).map((table) => ({ table, first: lengthOf(table) }));
}

const lengthOf = (table: Table): number => Number(table.length);

/** Finds the cause behind a trap or exit: a stack that overflowed, memory or a table that could not grow. */
export function explained(outcome: ReportedOutcome, remains: Remains): ReportedOutcome {
  if (outcome.end !== 'trapped' && outcome.end !== 'exited') return outcome;
  if (outcome.end === 'exited' && outcome.code === 0) return outcome;
  if (outcome.end === 'trapped' && outcome.trap === 'stack_overflow') return outcome;
  const { exports, observation, limits, firstBytes, lastBytes, tables } = remains;
  if (outcome.end === 'trapped' && stackHasOverflowed(exports, observation))
    return { ...outcome, trap: 'linear_stack_overflow' };
  const limitBytes = limits.maxMemoryPages * PAGE_BYTES;
  const askedBytes = refusedBytes(exports, observation);
  if (askedBytes !== undefined) return { end: 'out_of_memory', limitBytes, hadBytes: lastBytes, askedBytes };
  const memoryIsFull = lastBytes === limitBytes && firstBytes < limitBytes;
  if (memoryIsFull && gaveUp(outcome, 'out_of_bounds_memory')) return { end: 'out_of_memory', limitBytes };
  const limitElements = limits.maxTableElements;
  const aTableIsFull = tables.some(({ table, first }) => lengthOf(table) === limitElements && first < limitElements);
  if (aTableIsFull && gaveUp(outcome, 'out_of_bounds_table')) return { end: 'table_too_large', limitElements };
  return outcome;
}

/** @param error what ended the run: thrown by the engine, or by the host */
export function outcomeOf(error: unknown, stderrTail: string, limits: RunLimits): ReportedOutcome {
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
