import type { TaskPriority } from './task-priority.js';

/**
 * PORT: carries task ids from whoever submits to whichever worker is free. The row in PostgreSQL is the truth; an entry
 * here only says "look at this task".
 *
 * - One entry per task, its id the task's id: adding it again while it waits or runs changes nothing.
 * - Higher priorities first; first in, first out inside one.
 * - At least once: an entry whose worker dies is handed to another.
 * - A handler that throws is tried again after a growing pause; the last failure drops the entry, and the sweeper finds
 *   the task by its row.
 *
 * Not part of the port: payloads, results, progress, and the caller's transaction.
 */
export interface TaskQueue {
  /** @throws when the backend is away; the sweeper makes up for it */
  add(entries: readonly QueueEntry[]): Promise<void>;

  /** Takes a waiting entry out. An entry that a worker holds, or none at all, is left as it is. */
  remove(taskId: string): Promise<void>;

  /** Starts handing entries to `handler`, at most `concurrency` at a time, as soon as the backend answers. Once per process. */
  consume(handler: (taskId: string) => Promise<void>, concurrency: number): void;

  /** Stops taking entries and waits for the handlers under way. */
  stopConsuming(): Promise<void>;

  counts(): Promise<QueueCounts>;
}

export interface QueueEntry {
  taskId: string;
  priority: TaskPriority;
  /** Not to be handed out for so long, ms. */
  delayMs?: number;
}

export interface QueueCounts {
  waiting: number;
  active: number;
  /** Waiting for their time to come, or for another try. */
  delayed: number;
}

export const TASK_QUEUE = Symbol('TaskQueue');
