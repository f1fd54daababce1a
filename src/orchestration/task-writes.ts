import { Logger } from '@nestjs/common';
import type { Auction, Bidder } from '../auction/index.js';
import { markEndedBy, traced } from '../observability/index.js';
import type { AwardOutcome, TaskChange, TaskLookup, TaskStore } from '../tasks/index.js';
import type { Completed } from './attempt-result.js';
import { lateResults } from './metrics.js';
import { retryDuringOutage } from './retries.js';
import { attemptAttributes } from './presentation.js';
import { awarded, completed, failedOver, released, requeued } from './settlement.js';
import type { TaskRun } from './task-run.js';

/** What a worker writes about a task: each write is a span, and the last one outlasts an outage of the database. */
export class TaskWrites {
  private readonly logger = new Logger('Processor');

  /**
   * @param stopping when aborted, a database that is away is no longer waited for
   * @param feeMillionths the market's part of a price
   */
  constructor(
    private readonly store: Pick<TaskStore, 'award' | 'transition'>,
    private readonly tasks: Pick<TaskLookup, 'outcome'>,
    private readonly stopping: AbortSignal,
    private readonly feeMillionths: bigint,
  ) {}

  /**
   * @param auction whose first agent this is; null for the agents after it
   * @param worker `Presence` of this worker
   */
  award(run: TaskRun, agent: Bidder, auction: Auction | null, worker: number): Promise<AwardOutcome> {
    const change = auction ? awarded(run, agent, auction, worker) : failedOver(run, agent, worker);
    return traced('task.award', { attributes: attemptAttributes(agent, run.ordinal) }, async (span) => {
      const outcome = await this.store.award(change);
      span.setAttribute('zerostate.award', outcome);
      return outcome;
    });
  }

  /** Writes a result. A task that has moved on since does not take it. */
  async complete(run: TaskRun, agent: Bidder, result: Completed): Promise<void> {
    if (await this.write(completed(run, agent, result, this.feeMillionths))) return;
    // When the answer to the first write was lost with its connection, a repetition finds the task completed.
    const outcome = await this.retryDuringOutage(() => this.tasks.outcome(run.task.id, run.ordinal));
    if (outcome === 'completed') return;
    lateResults.inc();
    this.logger.warn(`dropped a late result of task ${run.task.id}, attempt ${run.ordinal}`);
  }

  async settle(change: TaskChange | null): Promise<void> {
    if (change) await this.write(change);
  }

  /** Returns the task in the middle of an attempt. */
  async release(run: TaskRun, agent: Bidder, reason: 'stop' | 'fault' | 'busy'): Promise<void> {
    // Where the award itself was not written, the task is still between two attempts.
    if (!(await this.write(released(run, agent, reason)))) await this.settle(requeued(run, reason));
  }

  /** The last write of this worker about a task. @returns false when the task has moved on and nothing was written */
  private write(change: TaskChange): Promise<boolean> {
    const name = change.to === 'queued' ? 'task.requeue' : 'task.settle';
    const attributes = { 'zerostate.task.status': change.to, 'zerostate.event.type': change.event.type };
    return traced(name, { attributes }, async (span) => {
      const written = await this.retryDuringOutage(() => this.store.transition(change));
      span.setAttribute('zerostate.written', written);
      if (change.to === 'failed') markEndedBy(span, change.error);
      return written;
    });
  }

  /** Repeats work while its backend is away, until this process stops. */
  retryDuringOutage<T>(work: () => Promise<T>): Promise<T> {
    return retryDuringOutage(work, this.stopping);
  }
}
