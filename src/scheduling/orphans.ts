import { Injectable, Logger } from '@nestjs/common';
import { cancellation, type OpenSubTask, type ParentAttempt, SubTasks, TaskStore } from '../tasks/index.js';
import { Enqueuer } from './enqueuer.js';

/** Sub-tasks cancelled at a time. */
const BATCH = 500;

/**
 * Cancels the sub-tasks of attempts that have ended: no agent waits for them any more. The worker does so when the attempt
 * ends; the sweep finishes what a worker that died has left.
 */
@Injectable()
export class Orphans {
  private readonly logger = new Logger('Tasks');

  constructor(
    private readonly subTasks: SubTasks,
    private readonly store: TaskStore,
    private readonly enqueuer: Enqueuer,
  ) {}

  /** Cancels up to one batch. */
  async sweep(): Promise<void> {
    await this.cancel(await this.subTasks.orphans(BATCH));
  }

  /** Never rejects. */
  async cancelOf(attempt: ParentAttempt): Promise<void> {
    try {
      await this.cancel(await this.subTasks.ofAttempt(attempt));
    } catch (error) {
      this.logger.warn(`sub-tasks of ${attempt.taskId} wait for the sweep: ${(error as Error).message}`);
    }
  }

  private async cancel(open: readonly OpenSubTask[]): Promise<void> {
    await Promise.all(
      open.map(async ({ id, attempt, agent_id: agentId, share_logs: shareLogs }) => {
        const change = cancellation({ id, attempt, agentId, shareLogs }, PARENT_ENDED, 'parent_ended');
        if (await this.store.transition(change)) await this.enqueuer.remove(id);
      }),
    );
  }
}

const PARENT_ENDED = { code: 'PARENT_ENDED', message: 'Cancelled because the attempt that submitted it has ended.' };
