import type { TrapKind } from '../run.js';
import { engine } from './engine.js';

/** V8's messages (`src/common/message-template.h`, `WasmTrap…`) in words that do not depend on the engine. */
const TRAPS: [RegExp, TrapKind][] = [
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

/** @param error what the engine threw out of an agent */
export function trapKind(error: unknown): TrapKind {
  if (error instanceof engine.RuntimeError) {
    return TRAPS.find(([message]) => message.test(error.message))?.[1] ?? 'other';
  }
  if (error instanceof RangeError && /call stack/.test(error.message)) return 'stack_overflow';
  if (error instanceof engine.Exception) return 'uncaught_exception';
  if (error instanceof TypeError) return 'bad_host_call';
  return 'other';
}
