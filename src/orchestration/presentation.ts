import { amountToWire } from '../common/money.js';
import type { EventType } from '../feed/index.js';
import type { AttemptMetering, TaskChange, TaskError, UnfinishedTask } from '../tasks/index.js';
import type { TaskResult } from './attempt.js';
import { INPUT_REFUSED } from './attempt-errors.js';
import type { Bidder } from './auction/auction.js';
import type { Failure } from './task.processor.js';

/** What the events, traces and errors of awards and settlements say. */

/** Results up to this size travel in the event; a larger one is fetched from the task. Characters. */
const MAX_RESULT_IN_EVENT = 64 * 1024;

/** An event about a task, with what the submitter allows the owner of the agent at work to read of it. */
export const taskEvent = (
  { shareLogs }: UnfinishedTask,
  type: EventType,
  data: Record<string, unknown>,
): TaskChange['event'] => ({ type, data: { ...data, share_logs: shareLogs } });

export const presentAward = (agent: Bidder, ordinal: number) => ({
  attempt: ordinal,
  agent_id: agent.agentId,
  agent_name: agent.name,
  version: agent.version,
  price: amountToWire(agent.priceMicro),
});

export const attemptAttributes = (agent: Bidder, ordinal: number) => ({
  'zerostate.attempt': ordinal,
  'zerostate.agent.id': agent.agentId,
  'zerostate.agent.name': agent.name,
  'zerostate.agent.version': agent.version,
  'zerostate.price': amountToWire(agent.priceMicro),
});

/** `agent_error` stays the agent's own where an event has the task's as its `error`. */
export const presentFailure = ({ agent, error, trap, record }: Failure, ordinal: number) => ({
  attempt: ordinal,
  agent_id: agent.agentId,
  agent_name: agent.name,
  error,
  agent_error: error,
  outcome: record.outcome,
  ...(trap && { trap }),
  ...(record.metering && presentMetering(record.metering)),
  estimated_ms: agent.estimatedMs,
});

const presentMetering = ({ wall_ms, cpu_ms, peak_memory_bytes }: AttemptMetering) => ({
  wall_ms,
  cpu_ms,
  peak_memory_bytes,
});

/** @param failures of the task so far: who refused an input that this agent could do was wrong */
export function completion(
  agent: Bidder,
  ordinal: number,
  result: TaskResult,
  metering: AttemptMetering,
  failures: readonly Failure[],
) {
  const contradicted = failures.filter(refusedInput).map((failed) => failed.agent.agentId);
  return {
    status: 'completed',
    attempt: ordinal,
    agent_id: agent.agentId,
    version: agent.version,
    cost: amountToWire(agent.priceMicro),
    ...presentMetering(metering),
    estimated_ms: agent.estimatedMs,
    ...(contradicted.length > 0 && { contradicted }),
    ...resultInEvent(result),
  };
}

function resultInEvent(result: TaskResult): object {
  if ('document' in result) return { result_ref: result.document.sha256, result_size: result.document.size };
  if (result.text.length > MAX_RESULT_IN_EVENT) return { result_omitted: 'too large for an event: GET the task' };
  return { result: JSON.parse(result.text) as unknown };
}

export const refusedInput = ({ record }: Failure): boolean => record.outcome === 'input_refused';

/**
 * Agents of two owners do not refuse an input by mistake or by malice: a third need not try. One owner's word is not enough,
 * or its agent could fail every task that it wins.
 */
export const inputIsRefused = (failures: readonly Failure[]): boolean =>
  new Set(failures.filter(refusedInput).map(({ agent }) => agent.ownerId)).size >= 2;

/** Why a task has failed: the one agent's error, or everyone's. */
export function failure(failures: readonly Failure[]): TaskError {
  if (failures.length === 0) return { code: 'ALL_AGENTS_FAILED', message: 'Every agent that may try has failed.' };
  if (failures.length === 1) return failures[0].error;
  if (failures.every(refusedInput) || inputIsRefused(failures)) {
    const refusing = failures.filter(refusedInput).length;
    return { code: INPUT_REFUSED, message: `${refusing} agents refused the input: correct it and submit it again.` };
  }
  const reasons = failures.map(({ agent, error }) => `${agent.name}: ${error.code} (${error.message})`);
  return { code: 'ALL_AGENTS_FAILED', message: `${failures.length} agents tried and failed. ${reasons.join(' ')}` };
}
