import { InjectQueue } from '@nestjs/bullmq';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { JobsOptions, Queue } from 'bullmq';
import { AppError } from '../../common/app-error.js';
import { inTime } from '../../common/timers.js';
import { outageLog } from '../../observability/index.js';
import { QUEUE_SERVER, type QueueServer } from '../queue-server.js';
import { BullmqConsumer, TASKS } from './bullmq-consumer.js';
import type { EntryHandler, QueueCounts, QueueEntry, TaskQueue } from '../task-queue.js';

/** Few enough that what workers ask meanwhile need not wait for long. */
const ASKED_AT_ONCE = 50;

/** A Redis that evicts may lose the list that names an entry, and keep the entry. */
const LEADS_TO_A_WORKER: ReadonlySet<string> = new Set(['waiting', 'paused', 'prioritized', 'delayed', 'active']);

const JOB: JobsOptions = {
  attempts: 5,
  backoff: { type: 'exponential', delay: 500, jitter: 0.5 },
  // The task's row keeps its history; a finished entry has nothing more to say.
  removeOnComplete: true,
  removeOnFail: true,
};

/** The port over BullMQ. Which backend BullMQ stands on, Redis or PostgreSQL, is the module's choice and not seen here. */
@Injectable()
export class BullmqTaskQueue implements TaskQueue {
  constructor(
    @InjectQueue(TASKS) private readonly queue: Queue,
    private readonly consumer: BullmqConsumer,
    @Inject(QUEUE_SERVER) private readonly server: QueueServer,
  ) {
    queue.on('error', outageLog(new Logger('Queue'), 'the queue is away'));
  }

  async add(entries: readonly QueueEntry[]): Promise<void> {
    const jobs = entries.map(({ taskId, delayMs = 0 }) => ({
      name: 'task',
      data: null,
      opts: { ...JOB, jobId: taskId, delay: Math.ceil(delayMs) },
    }));
    // On PostgreSQL a bulk of one costs four times a single entry.
    if (jobs.length === 1) await answered(this.queue.add(jobs[0].name, jobs[0].data, jobs[0].opts));
    else await answered(this.queue.addBulk(jobs));
  }

  async remove(taskId: string): Promise<void> {
    await answered(this.queue.remove(taskId));
  }

  async missing(taskIds: readonly string[]): Promise<string[]> {
    const missing: string[] = [];
    for (let first = 0; first < taskIds.length; first += ASKED_AT_ONCE) {
      const asked = taskIds.slice(first, first + ASKED_AT_ONCE);
      const states = await answered(Promise.all(asked.map((taskId) => this.queue.getJobState(taskId))));
      const lost = asked.filter((_, index) => !LEADS_TO_A_WORKER.has(states[index]));
      await Promise.all(lost.map((taskId) => this.removeRemains(taskId)));
      missing.push(...lost);
    }
    return missing;
  }

  /** What is left of an entry that no list names would keep another of its id out. */
  private async removeRemains(taskId: string): Promise<void> {
    if (await answered(this.queue.getJob(taskId))) await this.remove(taskId);
  }

  consume(handler: EntryHandler, concurrency: number): void {
    this.consumer.start(handler, concurrency);
  }

  limit(concurrency: number): void {
    this.consumer.limit(concurrency);
  }

  stopConsuming(): Promise<void> {
    return this.consumer.stop();
  }

  async pause(): Promise<void> {
    await answered(this.queue.pause());
  }

  async resume(): Promise<void> {
    await answered(this.queue.resume());
  }

  isPaused(): Promise<boolean> {
    return answered(this.queue.isPaused());
  }

  async check(): Promise<void> {
    await Promise.all([this.counts(), this.server.check()]);
    this.consumer.check();
  }

  async counts(): Promise<QueueCounts> {
    // On PostgreSQL they are `paused` while the queue is, which the type leaves out. Earlier releases gave them priorities.
    const types = ['waiting', 'paused' as 'waiting', 'prioritized', 'active', 'delayed'] as const;
    const counts = await answered(this.queue.getJobCounts(...types));
    return {
      waiting: counts.waiting + counts.paused + counts.prioritized,
      active: counts.active,
      delayed: counts.delayed,
    };
  }
}

/** How long a command may wait for a backend that is away, ms. */
const COMMAND_TIMEOUT_MS = 5000;

/**
 * The clients keep commands until their server is back, for ever if need be. That suits a worker, but a caller needs an
 * answer. The command may still be carried out later: entries are idempotent.
 */
const answered = <T>(command: Promise<T>): Promise<T> => inTime(command, COMMAND_TIMEOUT_MS, queueAway);

const queueAway = (): never => {
  throw new AppError('unavailable', 'QUEUE_AWAY', 'The queue does not answer.');
};
