import { Inject, Injectable, Logger } from '@nestjs/common';
import { MicroBatcher } from '../database/index.js';
import { type QueueEntry, TASK_QUEUE, type TaskQueue } from '../queue/index.js';

/**
 * The entries that tasks have in the queue. A task's row is committed and true already: nobody waits for its entry, and one
 * that cannot be added or removed does no harm.
 */
@Injectable()
export class TaskEntries {
  private readonly logger = new Logger('Tasks');
  private readonly added: MicroBatcher<QueueEntry, void>;

  constructor(@Inject(TASK_QUEUE) private readonly queue: TaskQueue) {
    this.added = new MicroBatcher<QueueEntry, void>(
      async (entries) => {
        await queue.add(entries);
        return [];
      },
      { maxItems: 200 },
    );
  }

  /** Adds one without waiting for it; one that is still there stays as it is. What cannot be added now is added by the sweeper. */
  add(entry: QueueEntry): void {
    this.added
      .add(entry)
      .catch((error: Error) => this.logger.warn(`task ${entry.taskId} waits for the sweeper: ${error.message}`));
  }

  /** Removes that of a task that has ended; should it stay, a worker looks at it and drops it. */
  async remove(taskId: string): Promise<void> {
    await this.queue
      .remove(taskId)
      .catch((error: Error) => this.logger.warn(`entry of ${taskId} stays: ${error.message}`));
  }

  /** Resolves when every entry handed in so far is in the queue. */
  drain(): Promise<void> {
    return this.added.drain();
  }
}
