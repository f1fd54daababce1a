import { Injectable } from '@nestjs/common';
import { Sql } from '../database/index.js';
import type { TaskPriority, QueueEntry } from '../queue/index.js';
import type { TaskLimits } from './task.entity.js';
import type { TaskStatus } from './task-state.js';

/** What a worker reads of tasks: one hot statement to begin with one, and what the sweeper asks. */
@Injectable()
export class TaskLookup {
  constructor(private readonly sql: Sql) {}

  /** @returns null when there is no such task, or it has ended */
  async unfinished(taskId: string): Promise<UnfinishedTask | null> {
    const [row] = await this.sql.query<UnfinishedRow>('task-unfinished', UNFINISHED, [taskId]);
    return row ? toUnfinishedTask(row) : null;
  }

  /** Tasks older than `graceMs` that have not ended. */
  async countUnfinished(graceMs: number): Promise<number> {
    const [row] = await this.sql.query<{ count: number }>('task-count-unfinished', COUNT_UNFINISHED, [graceMs]);
    return row.count;
  }

  /**
   * Tasks whose row says there is work but whose entry may be lost: queued for longer than `graceMs`, or held by a
   * worker whose lease has run out.
   */
  async abandoned(graceMs: number, limit: number): Promise<QueueEntry[]> {
    const rows = await this.sql.query<{ id: string; priority: TaskPriority }>('task-abandoned', ABANDONED, [
      graceMs,
      limit,
    ]);
    return rows.map((row) => ({ taskId: row.id, priority: row.priority }));
  }
}

/** Outcome of an attempt whose worker died. */
export const LOST = 'lost';

export interface UnfinishedTask {
  id: string;
  userId: string;
  status: TaskStatus;
  /** Ordinal of its latest attempt, 0 before the first. */
  attempt: number;
  requiredCapabilities: string[];
  budgetMicro: bigint;
  inputText: string;
  weights: Record<'price' | 'quality' | 'speed' | 'reputation', number> | null;
  limits: TaskLimits | null;
  timeoutMs: number;
  /** Agents that have had an attempt and failed; one that was lost with its worker has not. */
  failedAgentIds: string[];
}

interface UnfinishedRow {
  id: string;
  user_id: string;
  status: TaskStatus;
  attempt: number;
  required_capabilities: string[];
  budget_micro: string;
  input: string;
  weights: UnfinishedTask['weights'];
  limits: TaskLimits | null;
  timeout_ms: number;
  failed: string[];
}

const toUnfinishedTask = (row: UnfinishedRow): UnfinishedTask => ({
  id: row.id,
  userId: row.user_id,
  status: row.status,
  attempt: row.attempt,
  requiredCapabilities: row.required_capabilities,
  budgetMicro: BigInt(row.budget_micro),
  inputText: row.input,
  weights: row.weights,
  limits: row.limits,
  timeoutMs: row.timeout_ms,
  failedAgentIds: row.failed,
});

const UNFINISHED = `
  SELECT id, user_id, status, attempt, required_capabilities, budget_micro, input::text AS input, weights, limits, timeout_ms,
         CASE WHEN attempt = 0 THEN '{}' ELSE ARRAY (
           SELECT agent_id FROM task_attempts WHERE task_id = tasks.id AND outcome <> '${LOST}'
         ) END AS failed
    FROM tasks
   WHERE id = $1 AND status IN ('queued', 'assigned', 'running')`;

const COUNT_UNFINISHED = `
  SELECT count(*)::int AS count
    FROM tasks
   WHERE status IN ('queued', 'assigned', 'running') AND created_at < now() - $1 * interval '1 millisecond'`;

const ABANDONED = `
  SELECT id, priority
    FROM tasks
   WHERE (status = 'queued' AND created_at < now() - $1 * interval '1 millisecond')
      OR (status IN ('assigned', 'running') AND lease_until < now())
   ORDER BY id
   LIMIT $2`;
