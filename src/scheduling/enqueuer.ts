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
  private readonly batches: MicroBatcher<QueueEntry, void>;
  /** Entries on their way into the queue, by the task's id. */
  private readonly adding = new Map<string, Promise<void>>();

  constructor(@Inject(TASK_QUEUE) private readonly queue: TaskQueue) {
    this.batches = new MicroBatcher<QueueEntry, void>(
      async (entries) => {
        await queue.add(entries);
        return [];
      },
      { maxItems: 200 },
    );
  }

  /** Adds an entry in the background. An entry that is there already stays as it is. */
  add(entry: QueueEntry): void {
    const { taskId } = entry;
    const added = this.batches
      .add(entry)
      .catch((error: Error) => this.logger.warn(`task ${taskId} waits for the sweeper: ${error.message}`))
      .finally(() => this.adding.get(taskId) === added && this.adding.delete(taskId));
    this.adding.set(taskId, added);
  }

  /** Removes the entry of a task that has ended, after this process has added it. */
  async remove(taskId: string): Promise<void> {
    await this.adding.get(taskId);
    await this.queue
      .remove(taskId)
      .catch((error: Error) => this.logger.warn(`entry of ${taskId} stays: ${error.message}`));
  }

  /** Resolves when every entry added so far is in the queue. */
  drain(): Promise<void> {
    return this.batches.drain();
  }
}
