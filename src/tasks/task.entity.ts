import type { RawJson } from '../common/raw-json.js';
import type { RunLimitsDto } from '../common/run-limits.dto.js';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { User } from '../auth/index.js';
import type { AuctionWeights } from '../config/index.js';
import type { ConsentKind } from '../common/permissions.js';
import { bigintColumn } from '../database/index.js';
import type { TaskPriority } from '../queue/index.js';
import { TaskDocument } from './task-document.entity.js';
import { type TaskStatus, UNFINISHED_STATES } from './task-state.js';

/** The system of record of one piece of work. Its status is written by `TaskStore.transition` alone. */
@Entity('tasks')
@Check('tasks_input_check', '(input IS NULL) <> (input_ref IS NULL)')
@ForeignKey(() => TaskDocument, ['userId', 'inputRef'], ['userId', 'sha256'], { name: 'tasks_input_fkey' })
@ForeignKey(() => TaskDocument, ['userId', 'resultRef'], ['userId', 'sha256'], { name: 'tasks_result_fkey' })
@Index('tasks_at_work_idx', ['agentId'], { where: `status IN ('assigned', 'running')` })
@Index('tasks_deadline_idx', ['deadline'], {
  where: `deadline IS NOT NULL AND status IN ('queued', 'assigned', 'running')`,
})
@Index('tasks_parent_idx', ['parentId', 'id'], { where: 'parent_id IS NOT NULL' })
@Index('tasks_root_idx', ['rootId'], { where: 'root_id IS NOT NULL' })
@Index('tasks_user_idx', ['userId', 'id'])
@Index('tasks_user_bytes_idx', ['userId', 'rowBytes'])
@Index('tasks_user_status_idx', ['userId', 'status', 'id'])
@Index('tasks_throttled_idx', ['userId', 'priority', 'id'], { where: `throttled AND status = 'queued'` })
@Index('tasks_input_idx', ['userId', 'inputRef'], { where: 'input_ref IS NOT NULL' })
@Index('tasks_result_idx', ['userId', 'resultRef'], { where: 'result_ref IS NOT NULL' })
@Index('tasks_retry_idx', ['retryOf'], { unique: true, where: 'retry_of IS NOT NULL' })
@Index('tasks_user_context_idx', ['userId', 'contextId', 'id'], { where: 'context_id IS NOT NULL' })
@Index('tasks_open_idx', ['status', 'leaseUntil'], { where: `status IN ${UNFINISHED_STATES}` })
export class Task {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'tasks_pkey' })
  id: string;

  @ForeignKey(() => User, { name: 'tasks_user_fkey' })
  @Column('uuid')
  userId: string;

  @Column({ type: 'varchar', length: 16 })
  status: TaskStatus;

  @Column({ type: 'varchar', length: 16 })
  priority: TaskPriority;

  @Column({ type: 'varchar', length: 2000, nullable: true })
  description: string | null;

  @Column({ type: 'text', array: true })
  requiredCapabilities: string[];

  /** The most the submitter pays. */
  @Column(bigintColumn)
  budgetMicro: bigint;

  /**
   * The hold that reserves its budget, by the id of its transfer: positive while it is open, negative once it is closed.
   * Null: none was taken, as for a budget of 0 and for tasks of a release without a ledger.
   */
  @Column({ ...bigintColumn, nullable: true })
  holdId: bigint | null;

  /** What its rows count for the quota of its submitter: see `RowQuota`. */
  @Column({ type: 'integer', default: 0 })
  rowBytes: number;

  /** Any JSON document, handed to the agent byte for byte. Null: `inputRef` is there instead. Only `TaskReader` reads it so. */
  @Column({ type: 'json', nullable: true })
  input: RawJson | null;

  /** Of a document of the submitter's. */
  @Column({ type: 'char', length: 64, nullable: true })
  inputRef: string | null;

  /** The result becomes a document. */
  @Column({ type: 'boolean', default: false })
  resultByRef: boolean;

  /** The task's own auction weights. */
  @Column({ type: 'json', nullable: true })
  weights: AuctionWeights | null;

  /** Of one run, where they are tighter than the server's. */
  @Column({ type: 'json', nullable: true })
  limits: TaskLimits | null;

  /** Whether the owner of an agent at work may read its log and the text of its errors. */
  @Column({ type: 'boolean', default: false })
  shareLogs: boolean;

  /** Kinds of permission that its agents may use. */
  @Column({ type: 'text', array: true, default: '{}' })
  allow: ConsentKind[];

  /** The most its agents' host calls may cost: what the submitter allowed, without what was lent to sub-tasks. */
  @Column({ ...bigintColumn, default: 0 })
  maxHostCostMicro: bigint;

  /** Spent and reserved by host calls since the hold was opened. */
  @Column({ ...bigintColumn, default: 0 })
  hostCostMicro: bigint;

  /** What its hold has lent to the holds of its sub-tasks since it was opened. */
  @Column({ ...bigintColumn, default: 0 })
  lentMicro: bigint;

  /** The task whose agent submitted this one; null: a user did. */
  @Column({ type: 'uuid', nullable: true })
  parentId: string | null;

  /** The attempt of the parent that submitted it. */
  @Column({ type: 'integer', nullable: true })
  parentAttempt: number | null;

  /** The task at the top, which a user submitted; null: this one. */
  @Column({ type: 'uuid', nullable: true })
  rootId: string | null;

  /** Agents of the tasks above it, the first task's first: none of them may do this task. */
  @Column({ type: 'uuid', array: true, default: '{}' })
  ancestorAgents: string[];

  /** Owners of these agents: a task gives an agent of theirs no reputation. */
  @Column({ type: 'uuid', array: true, default: '{}' })
  ancestorOwners: string[];

  /** Where it would rather be done; null: anywhere. */
  @Column({ type: 'varchar', length: 32, nullable: true })
  region: string | null;

  /** Nowhere else. */
  @Column({ type: 'boolean', default: false })
  regionRequired: boolean;

  /** Wall time of one attempt. */
  @Column('integer')
  timeoutMs: number;

  /** Not before; null: at once. */
  @Column({ type: 'timestamptz', nullable: true })
  runAt: Date | null;

  /** By when it must have ended, waiting included; null: whenever. */
  @Column({ type: 'timestamptz', nullable: true })
  deadline: Date | null;

  /** Ordinal of the attempt that speaks for the task, 0 before the first: the fencing token of every change. */
  @Column({ type: 'integer', default: 0 })
  attempt: number;

  /** Attempts up to this ordinal do not count against agents: an earlier release queued the failed task again after them. */
  @Column({ type: 'integer', default: 0 })
  forgivenAttempts: number;

  /** The failed task that this one repeats. It may have been deleted since. */
  @Column({ type: 'uuid', nullable: true })
  retryOf: string | null;

  /** Groups tasks of one conversation, by a name of the submitter's. */
  @Column({ type: 'varchar', length: 64, nullable: true })
  contextId: string | null;

  /** The only agent that may bid; null: any. It need not exist. */
  @Column({ type: 'uuid', nullable: true })
  onlyAgentId: string | null;

  /** Waits for its turn: a worker that gives the turns puts it into the queue. The award ends the wait. */
  @Column({ type: 'boolean', default: false })
  throttled: boolean;

  /** Of its submission: all that is done for it belongs to that trace. */
  @Column({ type: 'varchar', length: 55, nullable: true })
  traceparent: string | null;

  @Column({ type: 'uuid', nullable: true })
  agentId: string | null;

  @Column({ type: 'varchar', length: 64, nullable: true })
  version: string | null;

  /** Until when the worker that holds it must have settled it; past that the sweeper hands it to another. */
  @Column({ type: 'timestamptz', nullable: true })
  leaseUntil: Date | null;

  /** Since when its agent waits for an answer of the submitter or for a sub-task; null: it does not. */
  @Column({ type: 'timestamptz', nullable: true })
  parkedAt: Date | null;

  /** How long its attempt has waited before that, ms. */
  @Column({ type: 'double precision', default: 0 })
  parkedMs: number;

  /** The worker that holds it, by its `Presence`: while that is there, the lease is its own. */
  @Column({ type: 'integer', nullable: true })
  worker: number | null;

  /** The agent's output, as `input`. Null also where `resultRef` is there instead. */
  @Column({ type: 'json', nullable: true })
  result: RawJson | null;

  /** Of a document of the submitter's. */
  @Column({ type: 'char', length: 64, nullable: true })
  resultRef: string | null;

  @Column({ type: 'json', nullable: true })
  error: { code: string; message: string } | null;

  @Column({ ...bigintColumn, nullable: true })
  costMicro: bigint | null;

  /** The submitter's verdict, 1–5. */
  @Column({ type: 'smallint', nullable: true })
  rating: number | null;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  /** When an earlier release last queued the failed task again; it has waited since then. */
  @Column({ type: 'timestamptz', nullable: true })
  retriedAt: Date | null;

  @Column({ type: 'timestamptz', nullable: true })
  startedAt: Date | null;

  @Column({ type: 'timestamptz', nullable: true })
  completedAt: Date | null;
}

export type TaskLimits = RunLimitsDto;
