import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { Logger } from '@nestjs/common';
import type { Job } from 'bullmq';

/** The one BullMQ queue. */
export const TASKS = 'tasks';

/**
 * BullMQ's worker. It exists in every process that has the queue, and runs only where `consume` starts it.
 *
 * Lost workers are noticed after `lockDuration`: their entries are handed on. Locks are renewed on the event loop, which
 * stays free because agents run in processes of their own.
 */
@Processor(TASKS, { autorun: false, lockDuration: 15_000, stalledInterval: 5_000, maxStalledCount: 10 })
export class BullmqConsumer extends WorkerHost {
  private readonly logger = new Logger('Queue');
  private handler: ((taskId: string) => Promise<void>) | null = null;

  async start(handler: (taskId: string) => Promise<void>, concurrency: number): Promise<void> {
    this.handler = handler;
    this.worker.concurrency = concurrency;
    await this.worker.waitUntilReady();
    void this.worker.run();
  }

  async stop(): Promise<void> {
    if (this.handler) await this.worker.close();
  }

  async process(job: Job): Promise<void> {
    if (!this.handler || !job.id) throw new Error('an entry was taken before anyone consumes the queue');
    await this.handler(job.id);
  }

  @OnWorkerEvent('failed')
  onFailed(job: Job | undefined, error: Error): void {
    this.logger.warn(`task ${job?.id} could not be worked on (try ${job?.attemptsMade}): ${error.message}`);
  }

  @OnWorkerEvent('error')
  onError(error: Error): void {
    this.logger.warn(`the queue's backend has a problem: ${error.message}`);
  }
}
