import { amountToWire } from '../common/money.js';
import type { EventType } from '../feed/index.js';
import type { Charge } from '../ledger/index.js';
import type { AskedQuestion, AttemptMetering, TaskEvent, UnfinishedTask } from '../tasks/index.js';
import type { TaskResult } from './attempt-result.js';
import type { Bidder } from '../auction/index.js';
import { refusedInput } from './failure-reason.js';
import type { Failure } from './task-run.js';

/** The content of the events and spans about awards and settlements. */

/** An event about a task. `share_logs` says whether the owner of its agent may read log and error texts. */
export const taskEvent = (
  { shareLogs }: UnfinishedTask,
  type: EventType,
  data: Record<string, unknown>,
): TaskEvent => ({ type, data: { ...data, share_logs: shareLogs } });

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

/** `error` may be replaced by the task's own error; `agent_error` stays the agent's. */
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

/** As `GET /tasks/:id` shows it. */
export const presentQuestion = ({ id, question, schema, askedAt, expiresAt }: AskedQuestion) => ({
  id,
  question,
  schema,
  asked_at: askedAt.toISOString(),
  expires_at: expiresAt.toISOString(),
});

const presentMetering = ({ wall_ms, cpu_ms, peak_memory_bytes }: AttemptMetering) => ({
  wall_ms,
  cpu_ms,
  peak_memory_bytes,
});

interface Completion {
  agent: Bidder;
  ordinal: number;
  result: TaskResult;
  metering: AttemptMetering;
  /** Of the task so far. An agent that refused this input is listed as contradicted. */
  failures: readonly Failure[];
  charge: Charge;
}

export function presentCompletion({ agent, ordinal, result, metering, failures, charge }: Completion) {
  const contradicted = failures.filter(refusedInput).map((failed) => failed.agent.agentId);
  return {
    status: 'completed',
    attempt: ordinal,
    agent_id: agent.agentId,
    version: agent.version,
    cost: amountToWire(charge.costMicro),
    fee: amountToWire(charge.feeMicro),
    ...presentMetering(metering),
    estimated_ms: agent.estimatedMs,
    ...(contradicted.length > 0 && { contradicted }),
    ...resultInEvent(result),
  };
}

/** A result that is part of its task's row is also part of the event's. */
function resultInEvent(result: TaskResult): object {
  if ('text' in result) return {};
  if (!result.named) return { result_omitted: 'too large for an event: GET the task' };
  return { result_ref: result.document.sha256, result_size: result.document.size };
}
