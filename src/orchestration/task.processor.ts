import { Inject, Injectable, Logger } from '@nestjs/common';
import { pauseBefore } from '../common/backoff.js';
import { addToWorkContext } from '../common/work-context.js';
import { LedgerConfig } from '../config/index.js';
import { Presence } from '../database/index.js';
import { FreeDisk } from '../observability/index.js';
import type { Handled } from '../queue/index.js';
import { DEADLINE_EXCEEDED, TaskLookup, TaskStore } from '../tasks/index.js';
import type { AttemptResult } from './attempt-result.js';
import { AttemptRunner } from './attempt.js';
import { type Auction, type Bidder, MetaAgent } from '../auction/index.js';
import { inputIsRefused, reasonOfFailure } from './failure-reason.js';
import { tracedJob } from './job-trace.js';
import { pauseWhileBusy } from './retries.js';
import { failed, requeued, unrunnable } from './settlement.js';
import { TaskRun } from './task-run.js';
import { TaskWrites } from './task-writes.js';

/** Auctions in a row whose awards were refused, before the task goes back to the queue. */
const MAX_STALE_AUCTIONS = 5;
/** The longest wait for a task that another worker leases, in case that worker dies, ms. */
const LOOK_AGAIN_MS = 5_000;

/**
 * A task's way through a worker: claim, auction, then award, run and settle for each agent in turn.
 *
 * A task passes here at least once. Every write is guarded by the attempt it speaks for, so a second worker with the same
 * task settles nothing. The queue may deliver an entry too early or twice: the row says whether it is time, and who leases
 * the task. When storage or database is away, or this process stops, the task goes back to the queue.
 */
@Injectable()
export class TaskProcessor {
  private readonly logger = new Logger('Processor');
  private readonly stopping = new AbortController();
  private readonly writes: TaskWrites;

  constructor(
    @Inject(TaskLookup) private readonly tasks: Pick<TaskLookup, 'unfinished' | 'outcome'>,
    @Inject(MetaAgent) private readonly metaAgent: Pick<MetaAgent, 'auction' | 'agentsPerRound' | 'agentsPerTask'>,
    @Inject(AttemptRunner) private readonly attempts: Pick<AttemptRunner, 'run' | 'stop' | 'releaseParked'>,
    @Inject(TaskStore) store: Pick<TaskStore, 'award' | 'transition'>,
    @Inject(Presence) private readonly presence: Pick<Presence, 'id' | 'trustsAbsence'>,
    @Inject(FreeDisk) private readonly disk: Pick<FreeDisk, 'isLow'>,
    @Inject(LedgerConfig) { feeMillionths }: Pick<LedgerConfig, 'feeMillionths'>,
  ) {
    this.writes = new TaskWrites(store, tasks, this.stopping.signal, feeMillionths);
  }

  /** Claims the task and works on it, however long the database is away. @returns when to deliver its entry again, if ever */
  async process(taskId: string): Promise<Handled> {
    const task = await this.writes.retryDuringOutage(() => this.tasks.unfinished(taskId, this.presence.trustsAbsence));
    if (task) return tracedJob(task, () => this.work(new TaskRun(task)));
  }

  /** Releases the tasks that wait for answers: other workers may wait as well. */
  releaseParked(): void {
    this.attempts.releaseParked();
  }

  /** Kills what runs, releases it and begins nothing more. A database that is away is no longer waited for. */
  stop(): void {
    this.stopping.abort();
    this.attempts.stop();
  }

  private async work(run: TaskRun): Promise<Handled> {
    const { task } = run;
    if (task.startsInMs > 0) return { againInMs: task.startsInMs };
    if (task.leasedForMs > 0) return { againInMs: Math.min(task.leasedForMs, LOOK_AGAIN_MS) };
    // Either its parent runs anew, and the sweep cancels this task, or the worker of its parent comes back.
    if (task.isOrphaned) return { againInMs: LOOK_AGAIN_MS };
    if (run.refusal) return this.writes.settle(failed(run, run.refusal));
    // A result could not be stored. The task waits, and nothing counts against an agent.
    if (this.disk.isLow) return { againInMs: LOOK_AGAIN_MS };
    for (let staleAuctions = 0; ;) {
      if (run.failedAgentIds.length >= this.metaAgent.agentsPerTask) return this.giveUp(run);
      if (staleAuctions === MAX_STALE_AUCTIONS) return this.wait(run);
      const auction = await this.writes.retryDuringOutage(() =>
        this.metaAgent.auction(task, run.failedAgentIds, staleAuctions > 0),
      );
      if (auction.worthWaiting) return this.wait(run);
      if (auction.failure && run.failedAgentIds.length > 0) return this.giveUp(run);
      if (auction.failure) return this.writes.settle(failed(run, auction.failure, auction));
      const round = await this.takeTurns(run, auction);
      if (round.end === 'done') return round.handled;
      staleAuctions = round.end === 'stale' ? staleAuctions + 1 : 0;
    }
  }

  /** Lets the agents of one auction try in their order, until one settles the task or none is left. */
  private async takeTurns(run: TaskRun, auction: Auction): Promise<Round> {
    for (const [turn, agent] of auction.ranking.slice(0, this.metaAgent.agentsPerRound).entries()) {
      addToWorkContext({ agent_id: agent.agentId });
      const result = await this.awardAndRun(run, agent, turn === 0 ? auction : null);
      switch (result.end) {
        case 'stale':
          return { end: 'stale' };
        case 'superseded':
          return done();
        case 'crowded':
          return done(await this.writes.release(run, agent, 'busy'));
        case 'stopped':
          return done(await this.release(run, agent));
        case 'fault':
          return done(await this.release(run, agent, result.error));
        case 'completed':
          return done(await this.writes.complete(run, agent, result));
        case 'unrunnable':
          return done(await this.writes.settle(unrunnable(run, agent, result.error)));
        case 'failed': {
          run.failures.push({ agent, ...result });
          // The timer that killed the run may be a millisecond ahead of the clock, so the error counts too.
          const late = result.error.code === DEADLINE_EXCEEDED.code || run.isPastDeadline;
          if (late) return done(await this.writes.settle(failed(run, DEADLINE_EXCEEDED)));
          if (inputIsRefused(run.failures)) return done(await this.giveUp(run));
        }
      }
    }
    return { end: 'all_failed' };
  }

  /** @param auction whose first agent this is; null for the agents after it */
  private async awardAndRun(run: TaskRun, agent: Bidder, auction: Auction | null): Promise<Turn> {
    try {
      const outcome = await this.writes.award(run, agent, auction, this.presence.id);
      if (outcome === 'moved_on') return { end: 'superseded' };
      if (outcome !== 'changed') return { end: 'stale' };
      return await this.attempts.run(run.task, agent, run.ordinal);
    } catch (error) {
      return { end: 'fault', error: error as Error };
    }
  }

  /** Fails a task that its agents failed. */
  private giveUp(run: TaskRun): Promise<void> {
    return this.writes.settle(failed(run, reasonOfFailure(run.failures)));
  }

  /** Returns the task in the middle of an attempt. @param fault why; unset: this process stops */
  private async release(run: TaskRun, agent: Bidder, fault?: Error): Promise<Handled> {
    if (fault) this.logger.warn(`task ${run.task.id} goes back to the queue: ${fault.message}`);
    await this.writes.release(run, agent, fault ? 'fault' : 'stop');
    return { againInMs: fault ? pauseBefore(run.task.releasedAttempts + 1) : 0 };
  }

  /** Returns a task whose agents are busy, or changed each time before the award. */
  private async wait(run: TaskRun): Promise<Handled> {
    await this.writes.settle(requeued(run, 'busy'));
    return { againInMs: pauseWhileBusy(Math.max(0, Date.now() - run.task.dueSince)) };
  }
}

/** How one agent's turn ended. `stale`: the agent changed or became busy after its bid. `fault`: it counts against no agent. */
type Turn = AttemptResult | { end: 'stale' } | { end: 'fault'; error: Error };

/** How the turns of one auction ended. Unless the task is done with, another auction follows. */
type Round = { end: 'all_failed' } | { end: 'stale' } | { end: 'done'; handled: Handled };

const done = (handled?: Handled): Round => ({ end: 'done', handled });
