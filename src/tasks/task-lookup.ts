import type { ConsentKind } from '../common/permissions.js';
import { Injectable } from '@nestjs/common';
import { isPresent, MicroBatcher, Sql } from '../database/index.js';
import type { QueueEntry } from '../queue/index.js';
import { LOST, RELEASED, WORKER_BUSY } from './task-change.js';
import type { StoredDocument } from './task-documents.js';
import type { TaskLimits } from './task.entity.js';
import { LEASED_STATES, type TaskStatus, UNFINISHED_STATES } from './task-state.js';
import { WAITS_SINCE } from './waiting.js';

/** What a worker reads of the tasks it works on, and what the sweeper reads of tasks without a worker. */
@Injectable()
export class TaskLookup {
  private readonly beginnings: MicroBatcher<{ taskId: string; trustsAbsence: boolean }, UnfinishedTask | null>;

  constructor(private readonly sql: Sql) {
    this.beginnings = new MicroBatcher(
      async (asked) => {
        const taskIds = asked.map(({ taskId }) => taskId);
        const trustsAbsence = asked.every((one) => one.trustsAbsence);
        const rows = await sql.query<UnfinishedRow>('task-unfinished', UNFINISHED, [taskIds, trustsAbsence]);
        const tasks = new Map(rows.map((row) => [row.id, toUnfinishedTask(row)]));
        return taskIds.map((id) => tasks.get(id) ?? null);
      },
      // Inputs may be a megabyte each.
      { maxItems: 16 },
    );
  }

  /**
   * @param trustsAbsence whether a worker that is not there has died
   * @returns null when there is no such task, or it has ended
   */
  unfinished(taskId: string, trustsAbsence: boolean): Promise<UnfinishedTask | null> {
    return this.beginnings.add({ taskId, trustsAbsence });
  }

  /** Waiting tasks whose deadline has passed. */
  async expired(limit: number): Promise<{ id: string; attempt: number }[]> {
    return this.sql.query<{ id: string; attempt: number }>('task-expired', EXPIRED, [limit]);
  }

  /** Which of these attempts no longer speak for their task: it has ended, or another attempt has begun. */
  async superseded(attempts: { taskId: string; ordinal: number }[]): Promise<string[]> {
    const rows = await this.sql.query<{ id: string }>('task-superseded', SUPERSEDED, [
      attempts.map(({ taskId }) => taskId),
      attempts.map(({ ordinal }) => ordinal),
    ]);
    return rows.map(({ id }) => id);
  }

  /** How an attempt has ended; null while it goes on. */
  async outcome(taskId: string, ordinal: number): Promise<string | null> {
    const [row] = await this.sql.query<{ outcome: string | null }>('task-outcome', OUTCOME, [taskId, ordinal]);
    return row?.outcome ?? null;
  }

  /**
   * Tasks that need an entry in the queue because no worker has them: queued, or with a worker that died or whose lease
   * expired. The oldest come first.
   * @param trustsAbsence whether a worker that is not there has died
   * @param after only those with a greater id
   */
  async idle(trustsAbsence: boolean, after: string, limit: number): Promise<string[]> {
    const rows = await this.sql.query<{ id: string }>('task-idle', IDLE, [trustsAbsence, after, limit]);
    return rows.map(({ id }) => id);
  }

  /** Queue entries for those of the tasks that no worker has, in the order of their ids. @param trustsAbsence as `idle` */
  async entriesOfIdle(taskIds: string[], trustsAbsence: boolean): Promise<QueueEntry[]> {
    const rows = await this.sql.query<IdleRow>('task-idle-entries', IDLE_ENTRIES, [trustsAbsence, taskIds]);
    return rows.map((row) => ({ taskId: row.id, delayMs: row.delay_ms ?? 0 }));
  }
}

export interface UnfinishedTask {
  id: string;
  userId: string;
  status: TaskStatus;
  /** Ordinal of its latest attempt, 0 before the first. */
  attempt: number;
  requiredCapabilities: string[];
  /** The only agent that may bid; null: any. */
  onlyAgentId: string | null;
  budgetMicro: bigint;
  /** JSON text, or a document that has it. */
  input: string | StoredDocument;
  /** The result is to become a document. */
  resultByRef: boolean;
  weights: Record<'price' | 'quality' | 'speed' | 'reputation', number> | null;
  limits: TaskLimits | null;
  region: string | null;
  regionRequired: boolean;
  /** Whether owners of its agents may read their logs and the text of their errors. */
  shareLogs: boolean;
  /** Kinds of permission that its agents may use. */
  allow: ConsentKind[];
  timeoutMs: number;
  /** Time until it may begin, by the database's clock, ms; 0 when it may begin now. */
  startsInMs: number;
  /** Time that is left of its lease, by the database's clock, ms; 0 when no live worker leases it. */
  leasedForMs: number;
  /** Trace of its submission. */
  traceparent: string | null;
  /** When it could first have begun, milliseconds since the epoch. */
  dueSince: number;
  /** Its deadline by the database's clock, on the scale of `performance.now()`. Infinity: it has none. */
  deadlineAt: number;
  /** Its agent waits for an answer or a sub-task, without a slot. */
  isParked: boolean;
  /** It is a sub-task, and the attempt that submitted it has ended or lost its worker. */
  isOrphaned: boolean;
  /** Agents of the tasks above it: none of them may do it. */
  ancestorAgents: string[];
  /** Agents that failed it. An agent whose attempt was lost or released did not fail it. */
  failedAgentIds: string[];
  /** Number of attempts whose worker died while the agent worked. An agent that waits for an answer kills no worker. */
  lostAttempts: number;
  /** Number of attempts that a worker released for a fault or a stop: see `RELEASED`. */
  releasedAttempts: number;
}

interface IdleRow {
  id: string;
  delay_ms: number | null;
}

interface UnfinishedRow {
  id: string;
  user_id: string;
  status: TaskStatus;
  attempt: number;
  required_capabilities: string[];
  only_agent_id: string | null;
  budget_micro: string;
  input: string | null;
  input_ref: string | null;
  input_size: number;
  input_storage_ref: string;
  result_by_ref: boolean;
  weights: UnfinishedTask['weights'];
  limits: TaskLimits | null;
  region: string | null;
  region_required: boolean;
  share_logs: boolean;
  allow: ConsentKind[];
  timeout_ms: number;
  starts_in_ms: number | null;
  leased_for_ms: number | null;
  traceparent: string | null;
  waited_ms: number;
  remaining_ms: number | null;
  parked: boolean;
  orphaned: boolean;
  ancestor_agents: string[];
  failed: string[];
  lost: number;
  released: number;
}

const toUnfinishedTask = (row: UnfinishedRow): UnfinishedTask => ({
  id: row.id,
  userId: row.user_id,
  status: row.status,
  attempt: row.attempt,
  requiredCapabilities: row.required_capabilities,
  onlyAgentId: row.only_agent_id,
  budgetMicro: BigInt(row.budget_micro),
  input: row.input ?? documentOf(row),
  resultByRef: row.result_by_ref,
  weights: row.weights,
  limits: row.limits,
  region: row.region,
  regionRequired: row.region_required,
  shareLogs: row.share_logs,
  allow: row.allow,
  timeoutMs: row.timeout_ms,
  startsInMs: Math.max(0, row.starts_in_ms ?? 0),
  leasedForMs: Math.max(0, row.leased_for_ms ?? 0),
  traceparent: row.traceparent,
  dueSince: Date.now() - row.waited_ms,
  deadlineAt: row.remaining_ms === null ? Infinity : performance.now() + row.remaining_ms,
  isParked: row.parked,
  isOrphaned: row.orphaned,
  ancestorAgents: row.ancestor_agents,
  failedAgentIds: row.failed,
  lostAttempts: row.lost,
  releasedAttempts: row.released,
});

/** A foreign key sees to it that it is there. */
const documentOf = (row: UnfinishedRow): StoredDocument => ({
  sha256: row.input_ref as string,
  size: row.input_size,
  storageRef: row.input_storage_ref,
});

/**
 * The named tasks are found before their states are looked at. Otherwise PostgreSQL, when it last counted while no task
 * waited, may read all waiting tasks instead.
 */
const UNFINISHED = `
  WITH named AS MATERIALIZED (SELECT * FROM tasks WHERE id = ANY ($1::uuid[]))
  SELECT id, tasks.user_id, status, attempt, required_capabilities, only_agent_id, budget_micro, input::text AS input, input_ref,
         document.size AS input_size, document.storage_ref AS input_storage_ref, result_by_ref, weights, limits, region,
         region_required, share_logs, allow, timeout_ms, traceparent, parked_at IS NOT NULL AS parked, ancestor_agents,
         CASE WHEN parent_id IS NULL THEN false ELSE NOT EXISTS (
           SELECT FROM tasks AS parent
            WHERE parent.id = tasks.parent_id AND parent.attempt = tasks.parent_attempt AND parent.status IN ${LEASED_STATES}
              AND parent.lease_until > clock_timestamp() AND (NOT $2 OR ${isPresent('parent.worker')}))
         END AS orphaned,
         (extract(epoch FROM run_at - clock_timestamp()) * 1000)::float8 AS starts_in_ms,
         -- A worker is asked for only while its lease lasts, and most tasks have none.
         CASE WHEN lease_until > clock_timestamp() AND (NOT $2 OR ${isPresent('worker')})
           THEN (extract(epoch FROM lease_until - clock_timestamp()) * 1000)::float8 END AS leased_for_ms,
         (extract(epoch FROM clock_timestamp() - ${WAITS_SINCE}) * 1000)::float8 AS waited_ms,
         (extract(epoch FROM deadline - clock_timestamp()) * 1000)::float8 AS remaining_ms,
         ended.failed, ended.lost, ended.released
    FROM named AS tasks
    CROSS JOIN LATERAL (
      SELECT coalesce(array_agg(agent_id) FILTER (WHERE outcome NOT IN ('${LOST}', '${RELEASED}')), '{}') AS failed,
             (count(*) FILTER (WHERE (outcome IS NULL AND parked_at IS NULL) OR outcome = '${LOST}'))::int AS lost,
             (count(*) FILTER (WHERE outcome = '${RELEASED}' AND error->>'code' <> '${WORKER_BUSY}'))::int AS released
        FROM task_attempts
       WHERE attempt > 0 AND task_id = tasks.id AND ordinal > forgiven_attempts
    ) AS ended
    LEFT JOIN task_documents AS document ON document.user_id = tasks.user_id AND document.sha256 = input_ref
   WHERE status IN ${UNFINISHED_STATES}`;

const EXPIRED = `
  SELECT id, attempt
    FROM tasks
   WHERE deadline IS NOT NULL AND status IN ('queued', 'assigned', 'running') AND status = 'queued' AND deadline < now()
   ORDER BY deadline
   LIMIT $1`;

const SUPERSEDED = `
  SELECT tasks.id
    FROM unnest($1::uuid[], $2::int[]) AS asked(id, ordinal)
    JOIN tasks ON tasks.id = asked.id
   WHERE tasks.status NOT IN ${LEASED_STATES} OR tasks.attempt <> asked.ordinal`;

const OUTCOME = 'SELECT outcome FROM task_attempts WHERE task_id = $1 AND ordinal = $2';

const IS_IDLE = `
  ((status = 'queued' AND NOT throttled)
    OR (status IN ${LEASED_STATES} AND (lease_until < now() OR ($1 AND NOT (${isPresent('worker')})))))`;

/** Found by their states and sorted then: by their ids the way to them would lead past all that have ended. */
const IDLE = `
  WITH idle AS MATERIALIZED (SELECT id FROM tasks WHERE ${IS_IDLE})
  SELECT id FROM idle WHERE id > $2 ORDER BY id LIMIT $3`;

/** The named tasks first, as in `UNFINISHED`. */
const IDLE_ENTRIES = `
  WITH named AS MATERIALIZED (SELECT * FROM tasks WHERE id = ANY ($2::uuid[]))
  SELECT id, greatest(0, extract(epoch FROM run_at - now()) * 1000)::float8 AS delay_ms
    FROM named AS tasks
   WHERE ${IS_IDLE}
   ORDER BY id`;
