import type { TrapKind } from '../run.js';
import { engine } from './engine.js';
import { printable } from '../../common/printable.js';

/** What stopped an agent, and the function of its own in which it did, by the module's name section if it has one. */
export interface Trap {
  trap: TrapKind;
  function?: string;
}

/** @param error what came out of an agent's call */
export function trapOf(error: unknown): Trap {
  const trap = trapKind(error);
  const name = error instanceof Error ? innermostFunction(error) : undefined;
  return name ? { trap, function: name } : { trap };
}

/** V8's messages (`src/common/message-template.h`, `WasmTrap…`) in words that do not depend on the engine. */
const TRAPS: [RegExp, TrapKind][] = [
  [/^component: /, 'component_rule'],
  [/^unreachable/, 'unreachable'],
  [/memory access out of bounds|data segment.*out of bounds/, 'out_of_bounds_memory'],
  [/table.*out of bounds|element segment.*out of bounds|array element access out of bounds/, 'out_of_bounds_table'],
  [/unaligned/, 'unaligned_access'],
  [/divide by zero|remainder by zero/, 'integer_divide_by_zero'],
  [/divide result unrepresentable/, 'integer_overflow'],
  [/float unrepresentable/, 'invalid_conversion_to_integer'],
  [/signature mismatch|illegal cast/, 'indirect_call_mismatch'],
  [/null pointer|null reference/, 'null_reference'],
];

function trapKind(error: unknown): TrapKind {
  if (error instanceof engine.RuntimeError) {
    return TRAPS.find(([message]) => message.test(error.message))?.[1] ?? 'other';
  }
  if (error instanceof RangeError && /call stack/.test(error.message)) return 'stack_overflow';
  if (error instanceof engine.Exception) return 'uncaught_exception';
  if (error instanceof TypeError) return 'bad_host_call';
  return 'other';
}

interface CallSite {
  getFileName(): string | null | undefined;
  getFunctionName(): string | null;
}

const structuredStacks = Error as unknown as { prepareStackTrace?: (error: Error, sites: CallSite[]) => unknown };

/** From the stack as V8 keeps it, not as it prints it: names may hold anything, also what looks like another frame. */
function innermostFunction(error: Error): string | undefined {
  let sites: CallSite[] = [];
  structuredStacks.prepareStackTrace = (_, structured) => (sites = structured);
  void error.stack;
  structuredStacks.prepareStackTrace = undefined;
  const name = sites.find((site) => site.getFileName()?.startsWith('wasm://'))?.getFunctionName();
  return name ? printable(name) : undefined;
}
