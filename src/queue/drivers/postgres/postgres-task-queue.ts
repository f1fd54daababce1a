import { Logger } from '@nestjs/common';
import { pauseBefore } from '../../../common/backoff.js';
import { inTime } from '../../../common/timers.js';
import { LongLivedSession, MicroBatcher, type Presence } from '../../../database/index.js';
import { outageLog } from '../../../observability/index.js';
import type { EntryHandler, QueueCounts, QueueEntry, TaskQueue } from '../../task-queue.js';
import { type EntryTable, type FinishedEntry, QUEUE_CHANNEL, type Ring, type TakenEntry } from './entry-table.js';

/** A consumer looks this often for entries that no notification announced, ms. */
const LOOK_MS = 2000;
/** How long a busy consumer waits after a handler ends, ms, so that one statement takes several entries. */
const GATHER_MS = 4;
/** How often an entry is handed out whose handler throws. */
const TRIES = 5;
/** How long a stop waits for a database that does not answer, ms. */
const FAREWELL_MS = 5000;

/**
 * The queue as a table of PostgreSQL. One statement adds, takes or finishes many entries.
 *
 * - A consumer leases entries with `FOR UPDATE SKIP LOCKED` under its presence number. PostgreSQL itself knows when a
 *   process has gone, so no lease is renewed.
 * - `NOTIFY` tells idle consumers at once about new entries. A look every few seconds finds the rest.
 * - The table is unlogged, so its writes cost no disk. A crash of PostgreSQL empties it, and the sweeper adds what was
 *   lost: the tasks' rows are the truth.
 */
export class PostgresTaskQueue implements TaskQueue {
  private readonly logger = new Logger('Queue');
  private readonly warnOfOutage = outageLog(this.logger, 'no tasks from the queue');
  private readonly finished: MicroBatcher<FinishedEntry, void>;
  private readonly listening: LongLivedSession;

  private handler: EntryHandler | null = null;
  private concurrency = 0;
  private stopping = false;
  /** Handlers that have not returned. */
  private running = 0;
  /** Entries leased here whose end is not written yet. */
  private readonly leased = new Map<string, Promise<void>>();
  /** Whether more entries may wait than were taken. */
  private moreWait = false;
  /** Whether to look once more when the look under way ends. */
  private rung = false;
  private looking: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private timerEndsAt = Infinity;
  private lostLeasesEndedAt = -Infinity;
  /** Why the last look failed. */
  private trouble: Error | null = null;

  /** @param presence of this process; entered before `consume` */
  constructor(
    url: string,
    private readonly table: EntryTable,
    private readonly presence: Pick<Presence, 'id' | 'trustsAbsence'>,
  ) {
    this.finished = new MicroBatcher<FinishedEntry, void>(
      async (entries) => {
        await table.finish(presence.id, entries);
        return [];
      },
      { maxItems: 500 },
    );
    this.listening = new LongLivedSession(
      url,
      'zerostate-queue',
      (client) => {
        client.on('notification', ({ payload }) => this.onRing(JSON.parse(payload ?? '') as Ring));
        return client.query(`LISTEN ${QUEUE_CHANNEL}`);
      },
      outageLog(this.logger, 'PostgreSQL sends no notifications, so new tasks start late'),
    );
  }

  async add(entries: readonly QueueEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const inMs = Math.min(...entries.map(({ delayMs = 0 }) => delayMs));
    await this.table.add(entries, { from: this.presence.id, inMs });
    this.lookIn(inMs);
  }

  remove(taskId: string): Promise<void> {
    return this.table.remove(taskId);
  }

  missing(taskIds: readonly string[]): Promise<string[]> {
    return this.table.missing(taskIds);
  }

  consume(handler: EntryHandler, concurrency: number): void {
    this.handler = handler;
    this.concurrency = concurrency;
    // What was added before it listened is found by a look.
    void this.listening.open().then(() => this.look());
    this.look();
  }

  limit(concurrency: number): void {
    this.concurrency = concurrency;
    if (this.moreWait) this.look();
  }

  async stopConsuming(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    // What a look under way takes is handled as any other entry.
    await inTime(Promise.resolve(this.looking), FAREWELL_MS, () => undefined);
    while (this.running > 0) await Promise.allSettled(this.leased.values());
    await inTime(this.finished.drain(), FAREWELL_MS, () => undefined);
  }

  pause(): Promise<void> {
    return this.table.setPaused(true, { from: this.presence.id, inMs: LOOK_MS });
  }

  async resume(): Promise<void> {
    await this.table.setPaused(false, { from: this.presence.id, inMs: 0 });
    this.look();
  }

  isPaused(): Promise<boolean> {
    return this.table.isPaused();
  }

  counts(): Promise<QueueCounts> {
    return this.table.counts();
  }

  async check(): Promise<void> {
    await this.table.isPaused();
    if (this.trouble) throw this.trouble;
  }

  close(): Promise<void> {
    return this.listening.close();
  }

  private onRing({ from, inMs }: Ring): void {
    if (from !== this.presence.id) this.lookIn(inMs);
  }

  private lookIn(ms: number): void {
    if (ms <= 0) return this.look();
    const endsAt = performance.now() + ms;
    if (!this.handler || this.stopping || endsAt >= this.timerEndsAt) return;
    clearTimeout(this.timer);
    this.timerEndsAt = endsAt;
    this.timer = setTimeout(() => {
      this.timerEndsAt = Infinity;
      this.look();
    }, ms);
  }

  private look(): void {
    if (!this.handler || this.stopping) return;
    this.rung = true;
    this.looking ??= this.takeWhatWaits().finally(() => {
      this.looking = null;
      this.lookIn(this.rung ? 0 : LOOK_MS);
    });
  }

  private async takeWhatWaits(): Promise<void> {
    try {
      while (this.rung && !this.stopping) {
        this.rung = false;
        await this.endLostLeases();
        await this.takeWhatFits();
      }
      this.trouble = null;
    } catch (error) {
      this.rung = false;
      this.trouble = error as Error;
      this.warnOfOutage(error as Error);
    }
  }

  /** Does so every few seconds. */
  private async endLostLeases(): Promise<void> {
    const now = performance.now();
    if (now - this.lostLeasesEndedAt < LOOK_MS) return;
    const { id, trustsAbsence } = this.presence;
    await this.table.endLostLeases(id, [...this.leased.keys()], trustsAbsence);
    this.lostLeasesEndedAt = now;
  }

  private async takeWhatFits(): Promise<void> {
    const room = this.concurrency - this.running;
    this.moreWait = true;
    if (room <= 0) return; // The next handler that ends makes room.
    const entries = await this.table.take(this.presence.id, room);
    this.moreWait = entries.length === room;
    for (const entry of entries) this.leased.set(entry.taskId, this.work(entry));
  }

  private async work(entry: TakenEntry): Promise<void> {
    this.running++;
    const finished = await this.handle(entry);
    this.running--;
    if (this.moreWait) this.lookIn(this.running > 0 ? GATHER_MS : 0);
    try {
      await this.finished.add(finished);
      if (finished.againInMs !== null) this.lookIn(finished.againInMs);
    } catch (error) {
      // A later look takes its lease for lost, and then it is handed out again.
      this.warnOfOutage(error as Error);
    } finally {
      this.leased.delete(entry.taskId);
    }
  }

  private async handle({ taskId, failures }: TakenEntry): Promise<FinishedEntry> {
    try {
      const putBack = await (this.handler as EntryHandler)(taskId);
      return { taskId, failures, againInMs: putBack?.againInMs ?? null };
    } catch (error) {
      const tries = failures + 1;
      this.logger.warn(`task ${taskId} could not be worked on (try ${tries}): ${(error as Error).message}`);
      return { taskId, failures: tries, againInMs: tries < TRIES ? pauseBefore(tries) : null };
    }
  }
}
