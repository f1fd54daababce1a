export { AccountErasure } from './account-erasure.js';
export { AuctionRecord } from './auction-record.entity.js';
export {
  type BoundsDto,
  type ExclusionDto,
  type ExclusionReason,
  type ScaleDto,
  ScoreboardDto,
  ScoredBidDto,
  ScoreWeightsDto,
} from './scoreboard.dto.js';
export { IdempotencyKey } from './idempotency-key.entity.js';
export { ShutOutAccounts } from './shut-out-accounts.js';
export { Submissions } from './submissions.js';
export { type AttemptMetering, TaskAttempt } from './task-attempt.entity.js';
export { TaskDocument } from './task-document.entity.js';
export { MAX_ROW_RESULT_BYTES, type StoredDocument, TaskDocuments } from './task-documents.js';
export { TaskEntries } from './task-entries.js';
export { TaskLookup, type UnfinishedTask } from './task-lookup.js';
export { Task, type TaskLimits } from './task.entity.js';
export { TaskService } from './task.service.js';
export { SubmitTaskDto, type TaskDto, TaskErrorDto } from './task.dto.js';
export { SUBMISSION_EXAMPLES } from './task.examples.js';
export { isTerminal } from './task-state.js';
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
  type ToQueued,
  type ToRunning,
} from './task-change.js';
export { type AwardOutcome, TaskStore } from './task-store.js';
export { TasksModule } from './tasks.module.js';
export { WaitingLine } from './waiting-line.js';
