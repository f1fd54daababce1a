import { Logger } from '@nestjs/common';
import { type JobsOptions, Queue } from 'bullmq';
import { AppError } from '../../../common/app-error.js';
import { inTime } from '../../../common/timers.js';
import { outageLog } from '../../../observability/index.js';
import { type BullmqConsumer, TASKS } from './bullmq-consumer.js';
import type { RedisQueueServer } from './queue-server.js';
import type { EntryHandler, QueueCounts, QueueEntry, TaskQueue } from '../../task-queue.js';

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

/** The port over BullMQ. */
export class BullmqTaskQueue implements TaskQueue {
  readonly bullmq: Queue;

  constructor(
    private readonly server: RedisQueueServer,
    private readonly consumer: BullmqConsumer,
  ) {
    const { prefix, createBackend } = server;
    // The backend knows its connection, but the type requires one.
    this.bullmq = new Queue(TASKS, { connection: {}, prefix }, createBackend);
    this.bullmq.on('error', outageLog(new Logger('Queue'), 'the queue is away'));
  }

  async add(entries: readonly QueueEntry[]): Promise<void> {
    const jobs = entries.map(({ taskId, delayMs = 0 }) => ({
      name: 'task',
      data: null,
      opts: { ...JOB, jobId: taskId, delay: Math.ceil(delayMs) },
    }));
    await answered(this.bullmq.addBulk(jobs));
  }

  async remove(taskId: string): Promise<void> {
    await answered(this.bullmq.remove(taskId));
  }

  async missing(taskIds: readonly string[]): Promise<string[]> {
    const missing: string[] = [];
    for (let first = 0; first < taskIds.length; first += ASKED_AT_ONCE) {
      const asked = taskIds.slice(first, first + ASKED_AT_ONCE);
      const states = await answered(Promise.all(asked.map((taskId) => this.bullmq.getJobState(taskId))));
      const lost = asked.filter((_, index) => !LEADS_TO_A_WORKER.has(states[index]));
      await Promise.all(lost.map((taskId) => this.removeRemains(taskId)));
      missing.push(...lost);
    }
    return missing;
  }

  /** What is left of an entry that no list names would keep another of its id out. */
  private async removeRemains(taskId: string): Promise<void> {
    if (await answered(this.bullmq.getJob(taskId))) await this.remove(taskId);
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
    await answered(this.bullmq.pause());
  }

  async resume(): Promise<void> {
    await answered(this.bullmq.resume());
  }

  isPaused(): Promise<boolean> {
    return answered(this.bullmq.isPaused());
  }

  async check(): Promise<void> {
    await Promise.all([this.counts(), this.server.check()]);
    this.consumer.check();
  }

  async close(): Promise<void> {
    await this.bullmq.close();
    await this.server.close();
  }

  async counts(): Promise<QueueCounts> {
    // The type leaves `paused` out. Earlier releases gave entries priorities.
    const types = ['waiting', 'paused' as 'waiting', 'prioritized', 'active', 'delayed'] as const;
    const counts = await answered(this.bullmq.getJobCounts(...types));
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
