import { Inject, Injectable, Logger } from '@nestjs/common';
import { MicroBatcher } from '../database/index.js';
import { type QueueEntry, TASK_QUEUE, type TaskQueue } from '../queue/index.js';

/**
 * Adds tasks to the queue and removes them from it. The row is committed already and decides, so no caller waits for the
 * entry. The sweeper adds an entry that could not be added; a worker drops one that could not be removed.
 */
@Injectable()
export class Enqueuer {
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

  /** Adds an entry in the background. An entry that is there already stays as it is. */
  add(entry: QueueEntry): void {
    this.added
      .add(entry)
      .catch((error: Error) => this.logger.warn(`task ${entry.taskId} waits for the sweeper: ${error.message}`));
  }

  /** Removes the entry of a task that has ended. */
  async remove(taskId: string): Promise<void> {
    await this.queue
      .remove(taskId)
      .catch((error: Error) => this.logger.warn(`entry of ${taskId} stays: ${error.message}`));
  }

  /** Resolves when every entry added so far is in the queue. */
  drain(): Promise<void> {
    return this.added.drain();
  }
}
