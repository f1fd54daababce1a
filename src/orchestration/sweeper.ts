import { Inject, Injectable, Logger } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Recurring } from '../common/recurring.js';
import { Presence } from '../database/index.js';
import type { Environment } from '../config/index.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { sweeperFinds } from './metrics.js';
import { DEADLINE_EXCEEDED, TaskEntries, TaskLookup, TaskStore, WaitingLine } from '../tasks/index.js';

/** A task younger than this may still be on its way into the queue, ms. */
const GRACE_MS = 5_000;
const MAX_PER_SWEEP = 1000;
/** Before every id. */
const NIL = '00000000-0000-0000-0000-000000000000';

/**
 * Finds tasks that the queue has lost (Redis wiped, a crash between the row and its entry) or whose worker died with its
 * entry, and queues them again; fails tasks whose deadline passed while they waited; lets waiting ones rise with age.
 * Adding an entry that is still there changes nothing, so the sweeper may be wrong.
 */
@Injectable()
export class Sweeper {
  private readonly logger = new Logger('Sweeper');
  private readonly recurring: Recurring;
  /** What was looked at last: those that only wait for their time must not hide those behind them. */
  private lookedAt = NIL;

  constructor(
    private readonly store: TaskStore,
    private readonly entries: TaskEntries,
    private readonly lookup: TaskLookup,
    private readonly line: WaitingLine,
    private readonly presence: Presence,
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    config: ConfigService<Environment, true>,
  ) {
    this.recurring = new Recurring(
      () => this.sweep(),
      config.get('queue', { infer: true }).sweepIntervalMs,
      ({ message }) => this.logger.warn(`sweep put off: ${message}`),
    );
  }

  start(): void {
    this.recurring.start();
  }

  stop(): Promise<void> {
    return this.recurring.stop();
  }

  private async sweep(): Promise<void> {
    const expired = await this.lookup.expired(MAX_PER_SWEEP);
    await Promise.all(expired.map((task) => this.expire(task)));
    sweeperFinds.inc({ kind: 'expired' }, expired.length);
    const risen = await this.line.age(MAX_PER_SWEEP);
    if (risen.length > 0) await this.queue.reprioritise(risen);
    sweeperFinds.inc({ kind: 'risen' }, risen.length);
    const [unfinished, counts] = await Promise.all([this.lookup.countUnfinished(GRACE_MS), this.queue.counts()]);
    // As many entries as tasks: nothing is lost, and a long queue need not be read.
    if (unfinished <= counts.waiting + counts.active + counts.delayed) return;
    const abandoned = await this.lookup.abandoned(GRACE_MS, this.presence.trustsAbsence, this.lookedAt, MAX_PER_SWEEP);
    this.lookedAt = abandoned.length === MAX_PER_SWEEP ? abandoned[MAX_PER_SWEEP - 1].taskId : NIL;
    if (abandoned.length === 0) return;
    this.logger.log(`queueing ${abandoned.length} tasks again`);
    for (const entry of abandoned) this.entries.add(entry);
    sweeperFinds.inc({ kind: 'abandoned' }, abandoned.length);
  }

  /** Fails a waiting task, unless a worker has begun it meanwhile. */
  private async expire({ id: taskId, attempt }: { id: string; attempt: number }): Promise<void> {
    const error = DEADLINE_EXCEEDED;
    const event = { type: 'task.failed' as const, data: { status: 'failed', error } };
    const expired = await this.store.transition({ taskId, to: 'failed', from: ['queued'], attempt, error, event });
    if (expired) await this.entries.remove(taskId);
  }
}
