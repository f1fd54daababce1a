export { AccountErasure } from './account-erasure.js';
export { cancellation } from './cancellation.js';
export { IdempotencyKey } from './idempotency-key.entity.js';
export type { NewTask } from './new-task.js';
export { RowQuota } from './row-quota.js';
export { type Submission, type SubmissionKey, type SubmissionOutcome, Submissions } from './submissions.js';
export {
  type OpenSubTask,
  type ParentAttempt,
  type SubTask,
  type SubTaskLimits,
  type SubTaskOutcome,
  SubTasks,
} from './sub-tasks.js';
export { type AttemptMetering, TaskAttempt } from './task-attempt.entity.js';
export { type FailedFilter, TaskBacklog, type UserLoad, type Waiting } from './task-backlog.js';
export {
  type AttemptEnd,
  DEADLINE_EXCEEDED,
  LOST,
  RELEASED,
  type TaskChange,
  type TaskError,
  type TaskEvent,
  type ToAssigned,
  type ToCompleted,
  type ToFailed,
  type ToInputRequired,
  type ToQueued,
  type ToRunning,
  WORKER_BUSY,
} from './task-change.js';
export { TaskDocument } from './task-document.entity.js';
export { MAX_ROW_RESULT_BYTES, NO_DOCUMENTS, type StoredDocument, TaskDocuments } from './task-documents.js';
export { type AskedQuestion, type KnownQuestion, type NewQuestion, TaskQuestions } from './task-questions.js';
export { TaskLookup, type UnfinishedTask } from './task-lookup.js';
export { isTerminal, LEASED, LEASED_STATES, TASK_STATUSES, type TaskStatus, UNFINISHED_STATES } from './task-state.js';
export { type AwardOutcome, TaskStore } from './task-store.js';
export { Task, type TaskLimits } from './task.entity.js';
export { TasksModule } from './tasks.module.js';
export { IS_DUE, WAITS_SINCE } from './waiting.js';
