import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { DatabaseModule } from '../database/index.js';
import { FeedModule } from '../feed/index.js';
import { LedgerModule } from '../ledger/index.js';
import { BlobLedgerModule, StorageModule } from '../storage/index.js';
import { AccountErasure } from './account-erasure.js';
import { RowQuota } from './row-quota.js';
import { Submissions } from './submissions.js';
import { SubTasks } from './sub-tasks.js';
import { TaskBacklog } from './task-backlog.js';
import { TaskDocuments } from './task-documents.js';
import { TaskLookup } from './task-lookup.js';
import { TaskQuestions } from './task-questions.js';
import { TaskStore } from './task-store.js';

const PARTS = [
  AccountErasure,
  RowQuota,
  Submissions,
  SubTasks,
  TaskBacklog,
  TaskDocuments,
  TaskLookup,
  TaskQuestions,
  TaskStore,
];

/** The record of tasks. Processes of every role have it. */
@Module({
  imports: [AuthModule, BlobLedgerModule, DatabaseModule, FeedModule, LedgerModule, StorageModule],
  providers: PARTS,
  exports: PARTS,
})
export class TasksModule {}
