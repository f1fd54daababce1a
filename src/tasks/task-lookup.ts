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

  /** Tasks that no worker has begun, counted up to `limit`. */
  async countQueued(limit: number): Promise<number> {
    const [row] = await this.sql.query<{ count: number }>('task-count-queued', COUNT_QUEUED, [limit]);
    return row.count;
  }

  /** Waiting tasks whose deadline has passed. */
  async expired(limit: number): Promise<string[]> {
    const rows = await this.sql.query<{ id: string }>('task-expired', EXPIRED, [limit]);
    return rows.map(({ id }) => id);
  }

  /** Which of these attempts no longer speak for their task: it has ended, or another attempt has begun. */
  async overtaken(attempts: { taskId: string; ordinal: number }[]): Promise<string[]> {
    const rows = await this.sql.query<{ id: string }>('task-overtaken', OVERTAKEN, [
      attempts.map(({ taskId }) => taskId),
      attempts.map(({ ordinal }) => ordinal),
    ]);
    return rows.map(({ id }) => id);
  }

  /** What a submission with this key has become, if there was one in the last `ttlMs`. */
  async submission(userId: string, key: string, ttlMs: number): Promise<EarlierSubmission | null> {
    const [row] = await this.sql.query<{ fingerprint: string; task_ids: string[] }>('task-by-key', BY_KEY, [
      userId,
      key,
      ttlMs,
    ]);
    return row ? { fingerprint: row.fingerprint, taskIds: row.task_ids } : null;
  }

  /**
   * Tasks whose row says there is work but whose entry may be lost: queued for longer than `graceMs`, or held by a
   * worker whose lease has run out.
   */
  async abandoned(graceMs: number, limit: number): Promise<QueueEntry[]> {
    const rows = await this.sql.query<{ id: string; priority: TaskPriority; delay_ms: number | null }>(
      'task-abandoned',
      ABANDONED,
      [graceMs, limit],
    );
    return rows.map((row) => ({ taskId: row.id, priority: row.priority, delayMs: row.delay_ms ?? 0 }));
  }
}

export interface EarlierSubmission {
  fingerprint: string;
  taskIds: string[];
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
  /** When its deadline is, on the clock of `performance.now()`: the database's clock decides, not this machine's. Infinity: never. */
  deadlineAt: number;
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
  remaining_ms: number | null;
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
  deadlineAt: row.remaining_ms === null ? Infinity : performance.now() + row.remaining_ms,
  failedAgentIds: row.failed,
});

const UNFINISHED = `
  SELECT id, user_id, status, attempt, required_capabilities, budget_micro, input::text AS input, weights, limits, timeout_ms,
         (extract(epoch FROM deadline - clock_timestamp()) * 1000)::float8 AS remaining_ms,
         CASE WHEN attempt = 0 THEN '{}' ELSE ARRAY (
           SELECT agent_id FROM task_attempts WHERE task_id = tasks.id AND outcome <> '${LOST}'
         ) END AS failed
    FROM tasks
   WHERE id = $1 AND status IN ('queued', 'assigned', 'running')`;

const COUNT_UNFINISHED = `
  SELECT count(*)::int AS count
    FROM tasks
   WHERE status IN ('queued', 'assigned', 'running') AND created_at < now() - $1 * interval '1 millisecond'`;

const EXPIRED = `
  SELECT id
    FROM tasks
   WHERE deadline IS NOT NULL AND status IN ('queued', 'assigned', 'running') AND status = 'queued' AND deadline < now()
   ORDER BY deadline
   LIMIT $1`;

const OVERTAKEN = `
  SELECT tasks.id
    FROM unnest($1::uuid[], $2::int[]) AS held(id, ordinal)
    JOIN tasks ON tasks.id = held.id
   WHERE tasks.status NOT IN ('assigned', 'running') OR tasks.attempt <> held.ordinal`;

const COUNT_QUEUED = `
  SELECT count(*)::int AS count FROM (SELECT FROM tasks WHERE status = 'queued' LIMIT $1) AS waiting`;

const BY_KEY = `
  SELECT fingerprint, task_ids
    FROM idempotency_keys
   WHERE user_id = $1 AND key = $2 AND created_at >= now() - $3 * interval '1 millisecond'`;

const ABANDONED = `
  SELECT id, priority, greatest(0, extract(epoch FROM run_at - now()) * 1000)::float8 AS delay_ms
    FROM tasks
   WHERE (status = 'queued' AND created_at < now() - $1 * interval '1 millisecond')
      OR (status IN ('assigned', 'running') AND lease_until < now())
   ORDER BY id
   LIMIT $2`;
