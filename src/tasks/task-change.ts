import type { EventType } from '../feed/index.js';
import type { Charge } from '../ledger/index.js';
import type { AttemptMetering } from './task-attempt.entity.js';
import type { TaskStatus } from './task-state.js';

/** A change of one task's state, by the state it leads to, with everything that is written together with it. */
export type TaskChange = ToQueued | ToAssigned | ToRunning | ToInputRequired | ToCompleted | ToFailed | ToCancelled;

interface Change<To extends TaskStatus> {
  taskId: string;
  to: To;
  /**
   * Ordinal of the attempt that the caller speaks for, 0 before the first. The store refuses the change when the task has
   * another attempt by then. Unset: any attempt.
   */
  attempt?: number;
  /** Of the states from which the transition table allows `to`, only these. Unset: all of them. */
  from?: readonly TaskStatus[];
  event: TaskEvent;
  /** Owner of the agent that the event is about. */
  agentOwnerId?: string;
}

/** The task waits again: a worker returned it. */
export interface ToQueued extends Change<'queued'> {
  from: readonly TaskStatus[];
  /** Ends the attempt that the task was in. */
  ended?: AttemptEnd;
  /** The task waits for its turn anew. Otherwise its entry is in the queue, or the worker returns it. */
  throttle?: boolean;
}

/** An attempt begins. */
export interface ToAssigned extends Change<'assigned'> {
  award: Award;
  /** Time after which the task counts as abandoned by its worker, ms. */
  leaseMs: number;
  /** Ends the attempt before this one. */
  ended?: AttemptEnd;
  /** Of the auction that led to the award. Unset on failover: the scoreboard is stored already. */
  scoreboard?: object;
}

/** The attempt has its sandbox, or goes on after a question. */
export interface ToRunning extends Change<'running'> {
  /** As in `ToAssigned`, ms. */
  leaseMs: number;
  /** When the sandbox began, on the clock of `performance.now()`. Unset: the attempt goes on after a question. */
  runningSince?: number;
}

/** The agent asks the submitter a question and waits for the answer. */
export interface ToInputRequired extends Change<'input_required'> {
  /** As in `ToAssigned`, ms: the wait is part of it. */
  leaseMs: number;
}

export interface ToCompleted extends Change<'completed'> {
  ended: AttemptEnd;
  /** JSON text, which the event carries too; or SHA-256 of a document. */
  result: { text: string } | { sha256: string };
  charge: Charge;
  /** Who earns the charge. */
  agentOwnerId: string;
  /** Event of the change to `running`, where that change was withdrawn: both changes are then written as one. */
  through?: TaskEvent;
}

export interface ToFailed extends Change<'failed'> {
  error: TaskError;
  /** Ends the attempt that the task was in. */
  ended?: AttemptEnd;
  /** Of the auction that found no agent. */
  scoreboard?: object;
}

export interface ToCancelled extends Change<'cancelled'> {
  error?: TaskError;
  /** Ends the attempt that the task was in. */
  ended?: AttemptEnd;
}

export interface TaskEvent {
  type: EventType;
  data: Record<string, unknown>;
}

/** A new attempt and its agent. */
export interface Award {
  /** Ordinal of the attempt that begins. */
  ordinal: number;
  agentId: string;
  /** Revision of the agent as it bid. The award is refused when the agent has changed since. */
  agentRevision: string;
  /** `Presence` of the worker that leases the task. */
  worker: number;
  version: string;
  priceMicro: bigint;
}

export interface AttemptEnd {
  outcome: string;
  error: TaskError | null;
  metering: AttemptMetering | null;
  /** When its sandbox began, on the clock of `performance.now()`. Unset: it had none, or its worker is gone. */
  runningSince?: number;
  /** Bytes of its log lines in the feed. */
  logBytes?: number;
}

export interface TaskError {
  code: string;
  message: string;
}

/** Error of a task that its deadline ended. */
export const DEADLINE_EXCEEDED: TaskError = {
  code: 'DEADLINE_EXCEEDED',
  message: 'The deadline passed before the task was done.',
};

/** Outcome of an attempt whose worker died. */
export const LOST = 'lost';
/** Outcome of an attempt that its worker returned without a verdict on the agent. */
export const RELEASED = 'handed_back';
/** Error code of an attempt that was released because its worker had no free sandbox: no fault, however often. */
export const WORKER_BUSY = 'WORKER_BUSY';
