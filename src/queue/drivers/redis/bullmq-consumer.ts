import { Logger } from '@nestjs/common';
import { DelayedError, type Job, Worker } from 'bullmq';
import { backOff } from '../../../common/backoff.js';
import { inTime } from '../../../common/timers.js';
import { outageLog } from '../../../observability/index.js';
import type { EntryHandler } from '../../task-queue.js';
import type { RedisQueueServer } from './queue-server.js';
import { steady } from './steady-backend.js';

/** The one BullMQ queue. */
export const TASKS = 'tasks';

/** How long a stop waits for the backend after the last handler, ms. */
const FAREWELL_MS = 5000;
/** When entries of a lost worker are handed on, ms, and how often. */
const LEASES = { lockDuration: 15_000, stalledInterval: 5_000, maxStalledCount: 10 };
/** The longest pause before a worker asks again a backend that refuses it, ms. */
const LONGEST_BACKOFF_MS = 10_000;

/**
 * BullMQ's worker. Only a process that calls `start` has one.
 *
 * Lost workers are noticed after `lockDuration`: their entries are handed on. Locks are renewed on the event loop, which
 * stays free because agents run in processes of their own.
 *
 * It starts only when the backend accepts it, and each fetch that fails is followed by a growing pause.
 */
export class BullmqConsumer {
  private readonly logger = new Logger('Queue');
  private readonly warnOfOutage = outageLog(this.logger, 'no tasks from the queue');
  private readonly underWay = new Set<Promise<unknown>>();
  private readonly stopping = new AbortController();
  private handler: EntryHandler | null = null;
  /** Why no entry can be fetched now. */
  private trouble: Error | null = null;

  private worker: Worker | null = null;

  constructor(private readonly server: RedisQueueServer) {}

  /** Does not wait for the backend: while it is away the worker keeps trying, and the process serves what it can. */
  start(handler: EntryHandler, concurrency: number): void {
    this.handler = handler;
    this.worker = this.makeWorker(concurrency);
    this.run(this.worker).catch((error: Error) => {
      this.trouble = error;
      this.logger.error(`the worker has ended: ${error.stack}`);
    });
  }

  limit(concurrency: number): void {
    if (this.worker) this.worker.concurrency = concurrency;
  }

  /** @throws Error why no entry can be fetched at present */
  check(): void {
    if (this.trouble) throw this.trouble;
  }

  /**
   * Takes no more entries and waits for the handlers under way. The backend is told that they are done if it answers;
   * while it is away it finds out by itself, when their locks run out. An entry that was being fetched as the stop began is
   * still handed out, and waited for as any other.
   */
  async stop(): Promise<void> {
    if (!this.worker) return;
    this.stopping.abort();
    const closing = this.worker.close();
    do {
      await Promise.allSettled(this.underWay);
      await inTime(closing, FAREWELL_MS, () => undefined);
    } while (this.underWay.size > 0);
  }

  private makeWorker(concurrency: number): Worker {
    const { prefix, createBackend } = this.server;
    const worker = new Worker(
      TASKS,
      (job: Job, token?: string) => this.process(job, token),
      // The backend knows its connection, but the type requires one.
      { connection: {}, prefix, concurrency, autorun: false, ...LEASES },
      createBackend,
    );
    worker.on('failed', (job, error) => {
      this.logger.warn(`task ${job?.id} could not be worked on (try ${job?.attemptsMade}): ${error.message}`);
    });
    worker.on('error', this.warnOfOutage);
    return worker;
  }

  private async process(job: Job, token?: string): Promise<void> {
    if (!this.handler || !job.id) throw new Error('an entry was taken before anyone consumes the queue');
    const work = this.handle(this.handler, job, token);
    this.underWay.add(work);
    await work.finally(() => this.underWay.delete(work));
  }

  private async run(worker: Worker): Promise<void> {
    steady(worker.getBackend(), {
      onTrouble: (trouble) => void (this.trouble = trouble),
      onFailedLook: this.warnOfOutage,
      backOff: (failures) => this.backOff(failures),
    });
    for (let failures = 1; !(await this.isPrepared()); failures++) {
      await this.backOff(failures);
      if (this.stopping.signal.aborted) return;
    }
    await worker.run();
  }

  private async isPrepared(): Promise<boolean> {
    try {
      await this.server.prepare();
      this.trouble = null;
      return true;
    } catch (error) {
      this.trouble = error as Error;
      this.warnOfOutage(error as Error);
      return false;
    }
  }

  private backOff(failures: number): Promise<void> {
    return backOff(failures, LONGEST_BACKOFF_MS, this.stopping.signal);
  }

  private async handle(handler: EntryHandler, job: Job, token: string | undefined): Promise<void> {
    const handled = await handler(job.id as string);
    if (!handled) return;
    await job.moveToDelayed(Date.now() + handled.againInMs, token);
    // BullMQ's word for: neither done nor failed.
    throw new DelayedError();
  }
}
