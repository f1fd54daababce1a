/**
 * PORT: carries task ids from submitters to free workers. The row in PostgreSQL is the truth; an entry
 * here only says "look at this task".
 *
 * - One entry per task, its id the task's id: adding it again while it waits or runs changes nothing.
 * - First in, first out. Whose turn it is was decided before an entry is added.
 * - At least once: an entry whose worker dies is handed to another.
 * - A handler may put an entry back: it is handed out again, to whichever worker is free, after the time it names.
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

  /** Which of these tasks have no entry that leads to a worker. What is left of such entries is removed. */
  missing(taskIds: readonly string[]): Promise<string[]>;

  /** Starts handing entries to `handler`, at most `concurrency` at a time, as soon as the backend answers. Once per process. */
  consume(handler: EntryHandler, concurrency: number): void;

  /** From now on at most so many at a time; what is under way goes on. */
  limit(concurrency: number): void;

  /** Stops taking entries and waits for the handlers under way. */
  stopConsuming(): Promise<void>;

  /** No worker takes an entry until `resume`, also after restarts; what is under way goes on. */
  pause(): Promise<void>;

  resume(): Promise<void>;

  isPaused(): Promise<boolean>;

  counts(): Promise<QueueCounts>;

  /** @throws Error that says why entries can be neither added nor handed out now */
  check(): Promise<void>;

  /** Ends its connections, after `stopConsuming`. */
  close(): Promise<void>;
}

export type EntryHandler = (taskId: string) => Promise<Handled>;

/** `undefined`: the entry has done its duty. */
export type Handled = void | PutBack;

export interface PutBack {
  /** The entry is not delivered before this time has passed, ms. */
  againInMs: number;
}

export interface QueueEntry {
  taskId: string;
  /** The entry is not delivered before this time has passed, ms. */
  delayMs?: number;
}

export interface QueueCounts {
  waiting: number;
  active: number;
  /** Waiting for their time to come, or for another try. */
  delayed: number;
}

export const TASK_QUEUE = Symbol('TaskQueue');
