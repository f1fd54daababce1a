import { InjectQueue } from '@nestjs/bullmq';
import { Injectable } from '@nestjs/common';
import type { JobsOptions, Queue } from 'bullmq';
import { BullmqConsumer, TASKS } from './bullmq-consumer.js';
import type { TaskPriority } from '../task-priority.js';
import type { QueueCounts, QueueEntry, TaskQueue } from '../task-queue.js';

/** BullMQ's priorities: 0 is taken first, then 1, 2, … */
const PRIORITY: Record<TaskPriority, number> = { critical: 0, high: 1, normal: 2, low: 3 };

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
  ) {}

  async add(entries: readonly QueueEntry[]): Promise<void> {
    await this.queue.addBulk(
      entries.map(({ taskId, priority }) => ({
        name: 'task',
        data: null,
        opts: { ...JOB, jobId: taskId, priority: PRIORITY[priority] },
      })),
    );
  }

  async remove(taskId: string): Promise<void> {
    await this.queue.remove(taskId);
  }

  consume(handler: (taskId: string) => Promise<void>, concurrency: number): Promise<void> {
    return this.consumer.start(handler, concurrency);
  }

  stopConsuming(): Promise<void> {
    return this.consumer.stop();
  }

  async counts(): Promise<QueueCounts> {
    const counts = await this.queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed');
    return { waiting: counts.waiting + counts.prioritized, active: counts.active, delayed: counts.delayed };
  }
}
