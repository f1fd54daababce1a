import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { DatabaseModule } from '../database/index.js';
import { FeedModule } from '../feed/index.js';
import { LedgerModule } from '../ledger/index.js';
import { QueueModule } from '../queue/index.js';
import { SchedulingModule } from '../scheduling/index.js';
import { StorageModule } from '../storage/index.js';
import { TasksModule } from '../tasks/index.js';
import { DocumentsController } from './documents.controller.js';
import { QueueAdmin } from './queue-admin.service.js';
import { QueueController } from './queue.controller.js';
import { TaskInputController } from './task-input.controller.js';
import { TaskInput } from './task-input.service.js';
import { TaskRetries } from './task-retries.js';
import { TaskReader } from './task-reader.js';
import { TaskService } from './task.service.js';
import { TaskSubmitter } from './task-submitter.js';
import { TaskWaiter } from './task-waiter.js';
import { TasksController } from './tasks.controller.js';

/** The REST routes of tasks, documents and the queue. Present in processes with the role `api`. */
@Module({
  imports: [
    AuthModule,
    DatabaseModule,
    FeedModule,
    LedgerModule,
    QueueModule,
    SchedulingModule,
    StorageModule,
    TasksModule,
  ],
  controllers: [TasksController, DocumentsController, QueueController, TaskInputController],
  providers: [QueueAdmin, TaskInput, TaskReader, TaskRetries, TaskService, TaskSubmitter, TaskWaiter],
  exports: [TaskInput, TaskService, TaskSubmitter],
})
export class TaskApiModule {}
