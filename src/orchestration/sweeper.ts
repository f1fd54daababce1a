import { Inject, Injectable, Logger } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Recurring } from '../common/recurring.js';
import { Presence } from '../database/index.js';
import type { Environment } from '../config/index.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { sweeperFinds } from './metrics.js';
import { DEADLINE_EXCEEDED, TaskEntries, TaskLookup, TaskStore, WaitingLine } from '../tasks/index.js';

const MAX_PER_SWEEP = 1000;
/** How soon entries that were missing are looked for again, at the latest, ms: some may only have been on their way. */
const LOOK_AGAIN_MS = 2_000;
/** Before every id. */
const NIL = '00000000-0000-0000-0000-000000000000';

/**
 * Finds tasks that the queue has lost (Redis wiped, a crash between the row and its entry) or whose worker died with its
 * entry, and queues them again; fails tasks whose deadline passed while they waited; lets waiting ones rise with age.
 *
 * A row is written before its entry and ends before it, so a task without an entry may be on its way into the queue, or
 * out of it. One that still has none at the next look, and still is to be worked on, has lost it. Should another sweeper be
 * quicker, that changes nothing: an entry that is there is not added again.
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
    private readonly entries: TaskEntries,
    private readonly lookup: TaskLookup,
    private readonly line: WaitingLine,
    private readonly presence: Presence,
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    config: ConfigService<Environment, true>,
  ) {
    const { sweepIntervalMs } = config.get('queue', { infer: true });
    this.lookAgainMs = Math.min(LOOK_AGAIN_MS, sweepIntervalMs);
    this.recurring = new Recurring(
      () => this.sweep(),
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
  private async sweep(): Promise<number | void> {
    const expired = await this.lookup.expired(MAX_PER_SWEEP);
    await Promise.all(expired.map((task) => this.expire(task)));
    sweeperFinds.inc({ kind: 'expired' }, expired.length);
    const risen = await this.line.age(MAX_PER_SWEEP, (entries) => this.queue.reprioritise(entries));
    sweeperFinds.inc({ kind: 'risen' }, risen);
    if (this.missed.length > 0) await this.queueLost(this.missed);
    this.missed = await this.lookForMissing();
    if (this.missed.length > 0) return this.lookAgainMs;
  }

  /** Queues those of these tasks again that still have no entry. */
  private async queueLost(missed: string[]): Promise<void> {
    const missing = await this.queue.missing(missed);
    const lost = await this.lookup.entriesOfIdle(missing, this.presence.trustsAbsence);
    if (lost.length === 0) return;
    this.logger.log(`queueing ${lost.length} lost tasks again`);
    for (const entry of lost) this.entries.add(entry);
    sweeperFinds.inc({ kind: 'lost' }, lost.length);
  }

  private async lookForMissing(): Promise<string[]> {
    const [unfinished, counts] = await Promise.all([this.lookup.countUnfinished(), this.queue.counts()]);
    // As many entries as tasks: nothing is lost, and a long queue need not be read.
    if (unfinished <= counts.waiting + counts.active + counts.delayed) return [];
    const idle = await this.lookup.idle(this.presence.trustsAbsence, this.lookedAt, MAX_PER_SWEEP);
    this.lookedAt = idle.length === MAX_PER_SWEEP ? idle[MAX_PER_SWEEP - 1] : NIL;
    return this.queue.missing(idle);
  }

  /** Fails a waiting task, unless a worker has begun it meanwhile. */
  private async expire({ id: taskId, attempt }: { id: string; attempt: number }): Promise<void> {
    const error = DEADLINE_EXCEEDED;
    const event = { type: 'task.failed' as const, data: { status: 'failed', error } };
    const expired = await this.store.transition({ taskId, to: 'failed', from: ['queued'], attempt, error, event });
    if (expired) await this.entries.remove(taskId);
  }
}
