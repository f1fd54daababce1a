import { type BeforeApplicationShutdown, Inject, Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { QueueConfig } from '../config/index.js';
import { DatabaseModule } from '../database/index.js';
import { QueueModule, TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { Submissions, TaskBacklog, TasksModule, TaskStore } from '../tasks/index.js';
import { AdmissionControl } from './admission-control.js';
import { Enqueuer } from './enqueuer.js';
import { FairShare } from './fair-share.js';
import { watchLine } from './metrics.js';
import { Orphans } from './orphans.js';
import { ShutOutAccounts } from './shut-out-accounts.js';
import { TurnReader } from './turn-reader.js';

/** Which tasks may wait, and in which order they reach a worker. Processes of every role have it. */
@Module({
  imports: [AuthModule, DatabaseModule, QueueModule, TasksModule],
  providers: [AdmissionControl, Enqueuer, FairShare, Orphans, ShutOutAccounts, TurnReader],
  exports: [AdmissionControl, Enqueuer, FairShare, Orphans, ShutOutAccounts],
})
export class SchedulingModule implements BeforeApplicationShutdown {
  constructor(
    @Inject(TASK_QUEUE) queue: TaskQueue,
    backlog: TaskBacklog,
    private readonly submissions: Submissions,
    private readonly store: TaskStore,
    private readonly enqueuer: Enqueuer,
    config: QueueConfig,
  ) {
    watchLine(queue, backlog, config);
  }

  /** Finishes the writes under way, then the entries that follow from them, so that a stop loses nothing that was answered. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.submissions.drain(), this.store.drain()]);
    await this.enqueuer.drain();
  }
}
