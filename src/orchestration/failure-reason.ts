import type { TaskError } from '../tasks/index.js';
import { INPUT_REFUSED } from './attempt-errors.js';
import type { Failure } from './task-run.js';

/** Why a task failed: the error of its only agent, or a summary of all agents' errors. */
export function reasonOfFailure(failures: readonly Failure[]): TaskError {
  if (failures.length === 0) return { code: 'ALL_AGENTS_FAILED', message: 'Every agent that may try has failed.' };
  if (failures.length === 1) return failures[0].error;
  if (failures.every(refusedInput) || inputIsRefused(failures)) {
    const refusing = failures.filter(refusedInput).length;
    return { code: INPUT_REFUSED, message: `${refusing} agents refused the input: correct it and submit it again.` };
  }
  const reasons = failures.map(({ agent, error }) => `${agent.name}: ${error.code} (${error.message})`);
  return { code: 'ALL_AGENTS_FAILED', message: `${failures.length} agents tried and failed. ${reasons.join(' ')}` };
}

/**
 * Whether agents of two owners refused the input, so that no third agent need try. One owner's refusal is not enough: it
 * could fail every task that its agent wins.
 */
export const inputIsRefused = (failures: readonly Failure[]): boolean =>
  new Set(failures.filter(refusedInput).map(({ agent }) => agent.ownerId)).size >= 2;

export const refusedInput = ({ record }: Failure): boolean => record.outcome === 'input_refused';
