import { setTimeout } from 'node:timers/promises';
import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { Logger } from '@nestjs/common';
import { DelayedError, type Job } from 'bullmq';
import { outageLog } from '../../observability/index.js';
import type { EntryHandler } from '../task-queue.js';

/** The one BullMQ queue. */
export const TASKS = 'tasks';

/** How long a stop waits for the backend after the last handler, ms. */
const FAREWELL_MS = 5000;

/**
 * BullMQ's worker. It exists in every process that has the queue, and runs only where `consume` starts it.
 *
 * Lost workers are noticed after `lockDuration`: their entries are handed on. Locks are renewed on the event loop, which
 * stays free because agents run in processes of their own.
 */
@Processor(TASKS, { autorun: false, lockDuration: 15_000, stalledInterval: 5_000, maxStalledCount: 10 })
export class BullmqConsumer extends WorkerHost {
  private readonly logger = new Logger('Queue');
  private readonly warnOfOutage = outageLog(this.logger, 'no tasks from the queue');
  private readonly underWay = new Set<Promise<unknown>>();
  private handler: EntryHandler | null = null;

  /** Does not wait for the backend: while it is away the worker keeps trying, and the process serves what it can. */
  start(handler: EntryHandler, concurrency: number): void {
    this.handler = handler;
    this.limit(concurrency);
    this.worker.run().catch((error: Error) => this.logger.error(`the worker has ended: ${error.stack}`));
  }

  limit(concurrency: number): void {
    this.worker.concurrency = concurrency;
  }

  /**
   * Takes no more entries and waits for the handlers under way. The backend is told that they are done if it answers;
   * while it is away it finds out by itself, when their locks run out. An entry that was being fetched as the stop began is
   * still handed out, and waited for as any other.
   */
  async stop(): Promise<void> {
    if (!this.handler) return;
    const closing = this.worker.close();
    do {
      await Promise.allSettled(this.underWay);
      await Promise.race([closing, setTimeout(FAREWELL_MS, undefined, { ref: false })]);
    } while (this.underWay.size > 0);
  }

  async process(job: Job, token?: string): Promise<void> {
    if (!this.handler || !job.id) throw new Error('an entry was taken before anyone consumes the queue');
    const work = this.handle(this.handler, job, token);
    this.underWay.add(work);
    await work.finally(() => this.underWay.delete(work));
  }

  private async handle(handler: EntryHandler, job: Job, token: string | undefined): Promise<void> {
    const handled = await handler(job.id as string);
    if (!handled) return;
    await job.moveToDelayed(Date.now() + handled.againInMs, token);
    // BullMQ's word for: neither done nor failed.
    throw new DelayedError();
  }

  @OnWorkerEvent('failed')
  onFailed(job: Job | undefined, error: Error): void {
    this.logger.warn(`task ${job?.id} could not be worked on (try ${job?.attemptsMade}): ${error.message}`);
  }

  @OnWorkerEvent('error')
  onError(error: Error): void {
    this.warnOfOutage(error);
  }
}
