import { Inject, Injectable, Logger } from '@nestjs/common';
import { Recurring } from '../common/recurring.js';
import { Presence } from '../database/index.js';
import { QueueConfig } from '../config/index.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { sweeperFinds } from './metrics.js';
import { DEADLINE_EXCEEDED, TaskLookup, TaskStore } from '../tasks/index.js';
import { Orphans } from './orphans.js';
import { ShutOutAccounts } from './shut-out-accounts.js';
import { Enqueuer } from './enqueuer.js';

/** Tasks looked at, or moved, in one statement. */
const BATCH = 1000;
/** Tasks without an entry that one look gathers, about: as many as a full queue has by default. */
const MAX_MISSED = 10_000;
/** How soon entries that were missing are looked for again, at the latest, ms: some may only have been on their way. */
const LOOK_AGAIN_MS = 2_000;
/** Before every id. */
const NIL = '00000000-0000-0000-0000-000000000000';

/**
 * Finds tasks that the queue has lost (Redis wiped, a crash between the row and its entry) or whose worker died with
 * its entry, and queues them again; fails tasks whose deadline passed while they waited; cancels those of suspended
 * accounts, and sub-tasks whose parents have ended.
 *
 * A row is written before its entry and ends before it, so a task without an entry may be on its way into the queue, or
 * out of it. One that still has none at the next look, and still is to be worked on, has lost it. Should another
 * sweeper be quicker, that changes nothing: an entry that is there is not added again.
 */
@Injectable()
export class Sweeper {
  private readonly logger = new Logger('Sweeper');
  private readonly recurring: Recurring;
  private readonly lookAgainMs: number;
  /** What was looked at last: those that only wait for their time must not hide those behind them. */
  private lookedAt = NIL;
  /** Tasks that had no entry at the last look. */
  private missed: string[] = [];

  constructor(
    private readonly store: TaskStore,
    private readonly enqueuer: Enqueuer,
    private readonly lookup: TaskLookup,
    private readonly shutOut: ShutOutAccounts,
    private readonly orphans: Orphans,
    private readonly presence: Presence,
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    { sweepIntervalMs }: QueueConfig,
  ) {
    this.lookAgainMs = Math.min(LOOK_AGAIN_MS, sweepIntervalMs);
    this.recurring = new Recurring(
      (signal) => this.sweep(signal),
      sweepIntervalMs,
      ({ message }) => this.logger.warn(`sweep put off: ${message}`),
    );
  }

  start(): void {
    this.recurring.start();
  }

  stop(): Promise<void> {
    return this.recurring.stop();
  }

  /** @returns how long to wait for the next sweep, when that is not to be the usual pause */
  private async sweep(stopping: AbortSignal): Promise<number | void> {
    const expired = await this.lookup.expired(BATCH);
    await Promise.all(expired.map((task) => this.expire(task)));
    sweeperFinds.inc({ kind: 'expired' }, expired.length);
    await this.shutOut.sweep();
    await this.orphans.sweep();
    if (this.missed.length > 0) await this.queueLost(this.missed);
    this.missed = await this.lookForMissing(stopping);
    if (this.missed.length > 0) return this.lookAgainMs;
  }

  /** Queues those of these tasks again that still have no entry. */
  private async queueLost(missed: string[]): Promise<void> {
    const missing = await this.queue.missing(missed);
    const lost = await this.lookup.entriesOfIdle(missing, this.presence.trustsAbsence);
    if (lost.length === 0) return;
    this.logger.log(`queueing ${lost.length} lost tasks again`);
    for (const entry of lost) this.enqueuer.add(entry);
    sweeperFinds.inc({ kind: 'lost' }, lost.length);
    await this.removeEnded(lost.map(({ taskId }) => taskId));
  }

  /** Removes the entries of tasks that were cancelled while their entries were being added. */
  private async removeEnded(added: string[]): Promise<void> {
    await this.enqueuer.drain();
    const idle = new Set((await this.lookup.entriesOfIdle(added, true)).map(({ taskId }) => taskId));
    await Promise.all(added.filter((id) => !idle.has(id)).map((id) => this.enqueuer.remove(id)));
  }

  /** Looks on as long as it finds some: a queue that was lost has lost them all. */
  private async lookForMissing(stopping: AbortSignal): Promise<string[]> {
    const missed: string[] = [];
    do {
      const idle = await this.lookup.idle(this.presence.trustsAbsence, this.lookedAt, BATCH);
      this.lookedAt = idle.length === BATCH ? idle[BATCH - 1] : NIL;
      const missing = await this.queue.missing(idle);
      if (missing.length === 0) break;
      missed.push(...missing);
    } while (this.lookedAt !== NIL && missed.length < MAX_MISSED && !stopping.aborted);
    return missed;
  }

  /** Fails a waiting task, unless a worker has begun it meanwhile. */
  private async expire({ id: taskId, attempt }: { id: string; attempt: number }): Promise<void> {
    const error = DEADLINE_EXCEEDED;
    const event = { type: 'task.failed' as const, data: { status: 'failed', error } };
    const expired = await this.store.transition({ taskId, to: 'failed', from: ['queued'], attempt, error, event });
    if (expired) await this.enqueuer.remove(taskId);
  }
}
