import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { END_EVENTS, FeedTail } from '../feed/index.js';

/**
 * Lets requests wait for the end of tasks. The feed tells of it: a waiter costs an entry in a map, and no
 * query of its own.
 */
@Injectable()
export class TaskWaiter implements BeforeApplicationShutdown {
  private readonly waiting = new Map<string, Set<() => void>>();
  private following: Promise<void> | null = null;

  constructor(private readonly tail: FeedTail) {}

  /** Resolves once no end of a task that is watched from now on can be missed. */
  async ready(): Promise<void> {
    this.following ??= this.tail.follow({
      deliver: (events) => {
        for (const { type, task_id } of events) if (task_id && END_EVENTS.has(type)) this.release(task_id);
      },
      wants: () => this.waiting.size > 0,
    });
    await this.following.catch((error: Error) => {
      this.following = null;
      throw error;
    });
  }

  /** Begins to watch a task, which need not exist yet. Always `stop` it. */
  watch(taskId: string): Watch {
    let release = (): void => undefined;
    const ended = new Promise<void>((resolve) => (release = resolve));
    const watchers = this.waiting.get(taskId) ?? new Set();
    this.waiting.set(taskId, watchers.add(release));
    return {
      ended,
      stop: () => {
        watchers.delete(release);
        if (watchers.size === 0 && this.waiting.get(taskId) === watchers) this.waiting.delete(taskId);
      },
    };
  }

  /** Answers all waiting requests with the present state. */
  beforeApplicationShutdown(): void {
    for (const taskId of this.waiting.keys()) this.release(taskId);
  }

  private release(taskId: string): void {
    for (const release of this.waiting.get(taskId) ?? []) release();
    this.waiting.delete(taskId);
  }
}

export interface Watch {
  /** Resolves when the task has ended, or the server stops. */
  ended: Promise<void>;
  stop(): void;
}
