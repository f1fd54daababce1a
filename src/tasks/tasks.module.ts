import { type BeforeApplicationShutdown, Inject, Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AuthModule } from '../auth/index.js';
import type { Environment } from '../config/index.js';
import { DatabaseModule } from '../database/index.js';
import { FeedModule } from '../feed/index.js';
import { QueueModule, TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { BlobLedgerModule, StorageModule } from '../storage/index.js';
import { AccountErasure } from './account-erasure.js';
import { DocumentsController } from './documents.controller.js';
import { watchLine } from './metrics.js';
import { QueueAdmin } from './queue-admin.service.js';
import { QueueController } from './queue.controller.js';
import { QueueBound } from './queue-bound.js';
import { RowQuota } from './row-quota.js';
import { ShutOutAccounts } from './shut-out-accounts.js';
import { Submissions } from './submissions.js';
import { TaskDocuments } from './task-documents.js';
import { TaskEntries } from './task-entries.js';
import { TaskLookup } from './task-lookup.js';
import { TaskReader } from './task-reader.js';
import { TaskService } from './task.service.js';
import { TaskStore } from './task-store.js';
import { TaskWaiter } from './task-waiter.js';
import { TasksController } from './tasks.controller.js';
import { WaitingLine } from './waiting-line.js';

@Module({
  imports: [AuthModule, BlobLedgerModule, DatabaseModule, FeedModule, QueueModule, StorageModule],
  controllers: [TasksController, DocumentsController, QueueController],
  providers: [
    AccountErasure,
    QueueAdmin,
    QueueBound,
    RowQuota,
    ShutOutAccounts,
    Submissions,
    TaskDocuments,
    TaskEntries,
    TaskService,
    TaskStore,
    TaskLookup,
    TaskReader,
    TaskWaiter,
    WaitingLine,
  ],
  exports: [
    AccountErasure,
    ShutOutAccounts,
    Submissions,
    TaskDocuments,
    TaskEntries,
    TaskService,
    TaskStore,
    TaskLookup,
    WaitingLine,
  ],
})
export class TasksModule implements BeforeApplicationShutdown {
  constructor(
    @Inject(TASK_QUEUE) queue: TaskQueue,
    lookup: TaskLookup,
    private readonly submissions: Submissions,
    private readonly store: TaskStore,
    private readonly entries: TaskEntries,
    config: ConfigService<Environment, true>,
  ) {
    watchLine(queue, lookup, config.get('queue', { infer: true }));
  }

  /** Finishes the writes under way, so that a stop loses nothing that was answered. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.submissions.drain(), this.store.drain()]);
    await this.entries.drain();
  }
}
