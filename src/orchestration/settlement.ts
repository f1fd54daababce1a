import {
  type AskedQuestion,
  LEASED,
  RELEASED,
  type TaskError,
  type ToAssigned,
  type ToCompleted,
  type ToFailed,
  type ToInputRequired,
  type ToQueued,
  type ToRunning,
  type UnfinishedTask,
  WORKER_BUSY,
} from '../tasks/index.js';
import type { Auction, Bidder } from '../auction/index.js';
import { chargeOf } from '../ledger/index.js';
import type { Completed } from './attempt-result.js';
import { presentAward, presentCompletion, presentFailure, presentQuestion, taskEvent } from './presentation.js';
import type { TaskRun } from './task-run.js';

/**
 * What a worker writes about its task, decision by decision. Every function is pure. The ordinal that a change names in
 * `attempt` is its fencing token: the store refuses the change when the task has moved on to another attempt.
 */

/** Time beyond the task's timeout after which a silent worker counts as lost, ms. */
const LEASE_MARGIN_MS = 30_000;

/** The first agent of an auction gets the task. @param worker `Presence` of this worker */
export function awarded(run: TaskRun, agent: Bidder, auction: Auction, worker: number): ToAssigned {
  const { task } = run;
  if (run.lastFailure) return { ...failedOver(run, agent, worker), scoreboard: auction.scoreboard };
  const { competitive } = auction.scoreboard;
  const data = { status: 'assigned', ...presentAward(agent, run.ordinal), competitive };
  return {
    ...assignment(run, agent, worker),
    scoreboard: auction.scoreboard,
    event: taskEvent(task, 'task.assigned', data),
    agentOwnerId: agent.ownerId,
  };
}

/** The next agent gets the task after another one failed it. The event belongs to the agent that failed. */
export function failedOver(run: TaskRun, agent: Bidder, worker: number): ToAssigned {
  const failure = run.lastFailure;
  if (!failure) throw new Error('a failover needs a failed agent');
  const data = {
    ...presentFailure(failure, run.endedOrdinal),
    status: 'assigned',
    next: presentAward(agent, run.ordinal),
  };
  return {
    ...assignment(run, agent, worker),
    event: taskEvent(run.task, 'task.failover', data),
    agentOwnerId: failure.agent.ownerId,
  };
}

const assignment = (run: TaskRun, agent: Bidder, worker: number) => ({
  taskId: run.task.id,
  to: 'assigned' as const,
  attempt: run.endedOrdinal,
  leaseMs: leaseOf(run.task),
  award: {
    ordinal: run.ordinal,
    agentId: agent.agentId,
    agentRevision: agent.revision,
    version: agent.version,
    priceMicro: agent.priceMicro,
    worker,
  },
  ended: run.unwrittenEnd,
});

/** What changes of a running attempt need to know of its agent. */
export type RunningAgent = Pick<Bidder, 'agentId' | 'ownerId'>;

/** The attempt has its sandbox. @param runningSince when the sandbox began, on the clock of `performance.now()` */
export const running = (
  task: UnfinishedTask,
  agent: RunningAgent,
  ordinal: number,
  runningSince: number,
): ToRunning => ({
  taskId: task.id,
  to: 'running',
  from: ['assigned'],
  runningSince,
  attempt: ordinal,
  leaseMs: leaseOf(task),
  event: taskEvent(task, 'task.running', { status: 'running', attempt: ordinal, agent_id: agent.agentId }),
  agentOwnerId: agent.ownerId,
});

/** The agent asks a question: its sandbox slot is free for others until it goes on. */
export const inputRequired = (
  task: UnfinishedTask,
  agent: RunningAgent,
  ordinal: number,
  question: AskedQuestion,
): ToInputRequired => ({
  taskId: task.id,
  to: 'input_required',
  attempt: ordinal,
  leaseMs: Math.ceil(question.leftMs) + leaseOf(task),
  event: taskEvent(task, 'task.input_required', {
    status: 'input_required',
    attempt: ordinal,
    agent_id: agent.agentId,
    question: presentQuestion(question),
  }),
  agentOwnerId: agent.ownerId,
});

/** The agent has its answer, or has waited long enough. */
export const resumed = (task: UnfinishedTask, agent: RunningAgent, ordinal: number): ToRunning => ({
  taskId: task.id,
  to: 'running',
  from: ['input_required'],
  attempt: ordinal,
  leaseMs: leaseOf(task),
  event: taskEvent(task, 'task.resumed', { status: 'running', attempt: ordinal, agent_id: agent.agentId }),
  agentOwnerId: agent.ownerId,
});

export const leaseOf = ({ timeoutMs }: UnfinishedTask): number => timeoutMs + LEASE_MARGIN_MS;

/**
 * The agent did the task: its owner is paid out of the hold, and the rest is released.
 * @param feeMillionths the market's part of the price
 */
export function completed(
  run: TaskRun,
  agent: Bidder,
  { result, record, through }: Completed,
  feeMillionths: bigint,
): ToCompleted {
  const { task, ordinal, failures } = run;
  const charge = chargeOf({ priceMicro: agent.priceMicro, budgetMicro: task.budgetMicro }, feeMillionths);
  return {
    taskId: task.id,
    to: 'completed',
    through,
    attempt: ordinal,
    ended: record,
    result: 'text' in result ? result : { sha256: result.document.sha256 },
    charge,
    event: taskEvent(
      task,
      'task.completed',
      presentCompletion({ agent, ordinal, result, metering: record.metering, failures, charge }),
    ),
    agentOwnerId: agent.ownerId,
  };
}

/** No further agent may try. @param auction the auction that found none, if one was held for this */
export function failed(run: TaskRun, error: TaskError, auction?: Auction): ToFailed {
  const { task, lastFailure } = run;
  const last = lastFailure && presentFailure(lastFailure, run.endedOrdinal);
  return {
    taskId: task.id,
    to: 'failed',
    attempt: run.endedOrdinal,
    ended: run.unwrittenEnd,
    scoreboard: auction?.scoreboard,
    error,
    event: taskEvent(task, 'task.failed', { status: 'failed', ...last, error }),
    agentOwnerId: lastFailure?.agent.ownerId,
  };
}

/** The task fails by its own fault. The attempt under way does not count against its agent. */
export const unrunnable = ({ task, ordinal }: TaskRun, agent: Bidder, error: TaskError): ToFailed => ({
  taskId: task.id,
  to: 'failed',
  attempt: ordinal,
  ended: { outcome: RELEASED, error, metering: null },
  error,
  event: taskEvent(task, 'task.failed', { status: 'failed', attempt: ordinal, error }),
  agentOwnerId: agent.ownerId,
});

/**
 * The worker returns the task in the middle of an attempt, which does not count against its agent.
 * @param reason `stop`: this process stops; `fault`: storage or database is away; `busy`: it has no free sandbox, and the
 *   task waits for its turn anew
 */
export const released = ({ task, ordinal }: TaskRun, agent: Bidder, reason: keyof typeof RELEASE_ERRORS): ToQueued => ({
  taskId: task.id,
  to: 'queued',
  from: LEASED,
  attempt: ordinal,
  ended: { outcome: RELEASED, error: RELEASE_ERRORS[reason], metering: null },
  throttle: reason === 'busy',
  event: taskEvent(task, 'task.requeued', { status: 'queued', attempt: ordinal, agent_id: agent.agentId, reason }),
  agentOwnerId: agent.ownerId,
});

/**
 * The worker returns the task between two attempts. Agents that failed it stay excluded.
 * @returns null when nothing has to be written: the task still waits, and no agent has failed it
 */
export function requeued(run: TaskRun, reason: 'stop' | 'fault' | 'busy'): ToQueued | null {
  const { task, lastFailure } = run;
  if (!lastFailure && task.status === 'queued') return null;
  const last = lastFailure && presentFailure(lastFailure, run.endedOrdinal);
  return {
    taskId: task.id,
    to: 'queued',
    from: LEASED,
    attempt: run.endedOrdinal,
    ended: run.unwrittenEnd,
    event: taskEvent(task, 'task.requeued', { status: 'queued', ...last, reason }),
    agentOwnerId: lastFailure?.agent.ownerId,
  };
}

const RELEASE_ERRORS = {
  fault: {
    code: 'BACKEND_AWAY',
    message: 'The worker could not reach what the attempt needs. The task will be tried again.',
  },
  stop: { code: 'WORKER_STOPPED', message: 'The worker was stopped. Another worker takes the task.' },
  busy: { code: WORKER_BUSY, message: 'The worker had no free sandbox. The task waits for its next turn.' },
} satisfies Record<string, TaskError>;
