import { amountToWire } from '../common/money.js';
import type { AttemptDto, TaskDto, TaskSummaryDto } from './task.dto.js';
import type { Task, TaskAttempt } from '../tasks/index.js';
import type { TaskWithAttempts } from './task-reader.js';

/** Rows as the wire shows them. */
export const presentTask = (
  task: ShownTask,
  { attempts, question }: Pick<TaskWithAttempts, 'attempts' | 'question'>,
  documents: Documents,
): TaskDto => ({
  ...presentSummary(task),
  question,
  input: task.input,
  input_ref: task.inputRef,
  input_size: sizeOf(documents, task.inputRef),
  only_agent_id: task.onlyAgentId,
  result_as: task.resultByRef ? 'ref' : 'value',
  limits: task.limits,
  region: task.region,
  region_required: task.regionRequired,
  share_logs: task.shareLogs,
  allow: Object.fromEntries(task.allow.map((kind) => [kind, true])),
  max_host_cost: amountToWire(task.maxHostCostMicro + task.lentMicro),
  host_cost: amountToWire(task.hostCostMicro),
  attempts: attempts.map(presentAttempt),
  result: task.result,
  // A large result is stored as a document even when the submitter asked for a value. The answer does not show that.
  result_ref: task.resultByRef ? task.resultRef : null,
  result_size: task.resultByRef ? sizeOf(documents, task.resultRef) : null,
});

/** A task without the columns that only workers use. */
type ShownTask = Omit<
  Task,
  | 'userId'
  | 'weights'
  | 'attempt'
  | 'forgivenAttempts'
  | 'throttled'
  | 'traceparent'
  | 'retriedAt'
  | 'leaseUntil'
  | 'parentAttempt'
  | 'rootId'
  | 'ancestorAgents'
  | 'ancestorOwners'
  | 'parkedAt'
  | 'parkedMs'
  | 'worker'
  | 'rowBytes'
>;

/** Those that the task refers to, by reference. */
type Documents = ReadonlyMap<string, { size: number }>;

const sizeOf = (documents: Documents, ref: string | null): number | null =>
  ref === null ? null : (documents.get(ref)?.size ?? null);

export const presentSummary = (task: ShownTask): TaskSummaryDto => ({
  id: task.id,
  parent_id: task.parentId,
  status: task.status,
  retry_of: task.retryOf,
  context_id: task.contextId,
  required_capabilities: task.requiredCapabilities,
  budget: amountToWire(task.budgetMicro),
  priority: task.priority,
  description: task.description,
  timeout_ms: task.timeoutMs,
  agent_id: task.agentId,
  version: task.version,
  error: task.error,
  cost: task.costMicro === null ? null : amountToWire(task.costMicro),
  rating: task.rating,
  run_at: task.runAt?.toISOString() ?? null,
  deadline: task.deadline?.toISOString() ?? null,
  created_at: task.createdAt.toISOString(),
  started_at: task.startedAt?.toISOString() ?? null,
  completed_at: task.completedAt?.toISOString() ?? null,
});

const presentAttempt = (attempt: TaskAttempt): AttemptDto => ({
  ordinal: attempt.ordinal,
  agent_id: attempt.agentId,
  version: attempt.version,
  price: amountToWire(attempt.priceMicro),
  outcome: attempt.outcome,
  error: attempt.error,
  metering: attempt.metering,
  started_at: attempt.startedAt.toISOString(),
  ended_at: attempt.endedAt?.toISOString() ?? null,
});

/** What `presentSummary` needs of a row. Inputs and results may be megabytes each, so lists leave them out. */
export const SUMMARY_COLUMNS = {
  id: true,
  parentId: true,
  status: true,
  retryOf: true,
  contextId: true,
  requiredCapabilities: true,
  budgetMicro: true,
  priority: true,
  description: true,
  timeoutMs: true,
  runAt: true,
  deadline: true,
  agentId: true,
  version: true,
  error: true,
  costMicro: true,
  rating: true,
  createdAt: true,
  startedAt: true,
  completedAt: true,
} as const;
