import {
  type AttemptEnd,
  DEADLINE_EXCEEDED,
  LOST,
  RELEASED,
  type TaskError,
  type UnfinishedTask,
} from '../tasks/index.js';
import type { Failed } from './attempt-result.js';
import type { Bidder } from '../auction/index.js';

/** A task may lose this many workers. Beyond that it counts as the one that kills them. */
const MAX_LOST_WORKERS = 3;
/** A task may be released this many times. With the backoff between them, this takes more than an hour. */
const MAX_RELEASES = 100;

/** An agent that failed the task in this worker's hands. */
export type Failure = Failed & { agent: Bidder };

/** A task in a worker's hands: the task as it was claimed, and the agents that failed it since. */
export class TaskRun {
  readonly failures: Failure[] = [];

  constructor(readonly task: UnfinishedTask) {}

  /** Ordinal of the newest attempt that has ended, 0 before the first. */
  get endedOrdinal(): number {
    return this.task.attempt + this.failures.length;
  }

  /** Ordinal of the attempt that is awarded next, or under way. */
  get ordinal(): number {
    return this.endedOrdinal + 1;
  }

  get lastFailure(): Failure | undefined {
    return this.failures.at(-1);
  }

  /** Agents that no further auction of this task asks. */
  get failedAgentIds(): string[] {
    return [...this.task.failedAgentIds, ...this.failures.map(({ agent }) => agent.agentId)];
  }

  /**
   * The end of the newest attempt, where a change still has to write it: of the last failure, or of an attempt that was
   * lost with the worker that leased the task before.
   */
  get unwrittenEnd(): AttemptEnd | undefined {
    if (this.lastFailure) return this.lastFailure.record;
    if (this.task.status === 'queued') return undefined;
    return this.task.isParked ? LOST_WHILE_PARKED : LOST_ATTEMPT;
  }

  get isPastDeadline(): boolean {
    return performance.now() >= this.task.deadlineAt;
  }

  /** Why no agent may try this task at all, or undefined. */
  get refusal(): TaskError | undefined {
    if (this.isPastDeadline) return DEADLINE_EXCEEDED;
    if (this.task.lostAttempts > MAX_LOST_WORKERS) return WORKERS_LOST;
    if (this.task.releasedAttempts > MAX_RELEASES) return SERVER_FAULT;
    return undefined;
  }
}

const LOST_ATTEMPT: AttemptEnd = {
  outcome: LOST,
  error: { code: 'WORKER_LOST', message: 'The worker died before the attempt ended.' },
  metering: null,
};

/** An agent that only waits for an answer or a sub-task did not kill its worker. */
const LOST_WHILE_PARKED: AttemptEnd = { ...LOST_ATTEMPT, outcome: RELEASED };

const WORKERS_LOST: TaskError = {
  code: 'WORKERS_LOST',
  message: 'Several workers died while they ran this task, so it was given up.',
};

const SERVER_FAULT: TaskError = {
  code: 'SERVER_FAULT',
  message: 'The server could not reach what the task needs for more than an hour. Retry the task later.',
};
