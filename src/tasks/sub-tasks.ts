import { Injectable } from '@nestjs/common';
import { RawJson } from '../common/raw-json.js';
import { sampledTraceparent } from '../common/work-context.js';
import { Sql } from '../database/index.js';
import { EventLog, LOCK_FEED } from '../feed/index.js';
import { NEW_HOLD_ID } from '../ledger/index.js';
import type { TaskPriority } from '../queue/index.js';
import { tasksSubmitted } from './metrics.js';
import type { NewTask } from './new-task.js';
import { bytesOfTask } from './row-quota.js';
import { asText } from './task-batch.js';
import type { TaskError } from './task-change.js';
import type { StoredDocument } from './task-documents.js';
import { LEASED_STATES, type TaskStatus, UNFINISHED_STATES } from './task-state.js';

/**
 * Tasks that agents submit for their own tasks. The submitter of the parent is their submitter.
 *
 * The hold of the parent pays for them: one statement lends a part of that hold to the hold of the sub-task. So the submitter
 * never pays more than it agreed to. What a sub-task does not spend is released to the submitter, and not to the parent: no
 * credit is spent twice, whichever of the two ends first. The statement also takes what it lends out of the
 * parent's `max_host_cost_micro`. So a worker of an earlier release, which knows no sub-tasks, settles the parent correctly.
 */
@Injectable()
export class SubTasks {
  constructor(
    private readonly sql: Sql,
    private readonly events: EventLog,
  ) {}

  /** Writes a sub-task, its hold and its event, or nothing. */
  async submit(parent: ParentAttempt, task: NewTask, limits: SubTaskLimits): Promise<SubTaskOutcome> {
    const { taskId, attempt } = parent;
    const amount = (task.budgetMicro + task.maxHostCostMicro).toString();
    const text = JSON.stringify(toRow(task));
    const values = [taskId, attempt, amount, limits.depth, limits.below, text];
    const [row] = await this.sql.query<{ seq: string; priority: TaskPriority }>('sub-task-submit', SUBMIT, values);
    if (!row) return this.refusal(parent, amount, limits);
    this.events.announce({ seq: Number(row.seq), signals: [] });
    tasksSubmitted.inc({ priority: row.priority });
    return 'stored';
  }

  /** How a sub-task of this very attempt stands. @returns null when the attempt has none with this id */
  async find({ taskId, attempt }: ParentAttempt, id: string): Promise<SubTask | null> {
    const [row] = await this.sql.query<SubTaskRow>('sub-task-find', FIND, [id, taskId, attempt]);
    if (!row) return null;
    const { result, cost_micro, ...rest } = row;
    return {
      ...rest,
      result: result === null ? null : new RawJson(result),
      costMicro: cost_micro === null ? null : BigInt(cost_micro),
    };
  }

  /** Notes that a running agent waits without a slot. @returns false when the attempt no longer counts */
  async park({ taskId, attempt }: ParentAttempt, leaseMs: number): Promise<boolean> {
    return (await this.sql.query('task-park', PARK, [taskId, attempt, Math.ceil(leaseMs)])).length > 0;
  }

  /** Notes that it goes on. Safe to repeat. @returns as `park` */
  async unpark({ taskId, attempt }: ParentAttempt, leaseMs: number): Promise<boolean> {
    return (await this.sql.query('task-unpark', UNPARK, [taskId, attempt, Math.ceil(leaseMs)])).length > 0;
  }

  /** Which of these tasks have ended, or are gone. */
  async ended(ids: readonly string[]): Promise<string[]> {
    const rows = await this.sql.query<{ id: string }>('sub-task-ended', ENDED, [ids]);
    return rows.map(({ id }) => id);
  }

  /** Unfinished sub-tasks of one attempt. */
  ofAttempt({ taskId, attempt }: ParentAttempt): Promise<OpenSubTask[]> {
    return this.sql.query<OpenSubTask>('sub-task-of', OF_ATTEMPT, [taskId, attempt]);
  }

  /** Unfinished sub-tasks whose parent has ended, is gone, or is in another attempt. */
  orphans(limit: number): Promise<OpenSubTask[]> {
    return this.sql.query<OpenSubTask>('sub-task-orphans', ORPHANS, [limit]);
  }

  private async refusal(
    { taskId, attempt }: ParentAttempt,
    amount: string,
    { depth, below }: SubTaskLimits,
  ): Promise<SubTaskOutcome> {
    const [row] = await this.sql.query<Standing>('sub-task-standing', STANDING, [taskId, attempt, amount]);
    if (!row) return 'moved_on';
    if (row.depth >= depth) return 'too_deep';
    if (row.below >= below) return 'too_many';
    return row.affordable ? 'moved_on' : 'unpaid';
  }
}

/** An attempt that submits. */
export interface ParentAttempt {
  taskId: string;
  /** Ordinal. */
  attempt: number;
}

export interface SubTaskLimits {
  /** Tasks above a sub-task. */
  depth: number;
  /** Tasks below a task that a user submitted, at all depths together. */
  below: number;
}

/**
 * Unless it was stored, nothing was written. `unpaid`: the parent has less left for its host calls than the sub-task may cost;
 * `moved_on`: the attempt no longer counts.
 */
export type SubTaskOutcome = 'stored' | 'unpaid' | 'too_deep' | 'too_many' | 'moved_on';

/** As the agent that submitted it may see it. */
export interface SubTask {
  status: TaskStatus;
  error: TaskError | null;
  costMicro: bigint | null;
  /** Null also when the result is a document. */
  result: RawJson | null;
  /** The document that holds the result. */
  document: StoredDocument | null;
}

/** A sub-task that has not ended. */
export interface OpenSubTask {
  id: string;
  attempt: number;
  agent_id: string | null;
  share_logs: boolean;
}

interface SubTaskRow {
  status: TaskStatus;
  error: TaskError | null;
  cost_micro: string | null;
  result: string | null;
  document: StoredDocument | null;
}

interface Standing {
  depth: number;
  below: number;
  affordable: boolean;
}

const toRow = (task: NewTask) => ({
  id: task.id,
  description: task.description,
  required_capabilities: task.requiredCapabilities,
  budget_micro: task.budgetMicro.toString(),
  max_host_cost_micro: task.maxHostCostMicro.toString(),
  input: task.inputText,
  row_bytes: bytesOfTask(task),
  weights: asText(task.weights),
  limits: asText(task.limits),
  region: task.region,
  region_required: task.regionRequired,
  share_logs: task.shareLogs,
  allow: task.allow,
  throttled: task.throttled,
  timeout_ms: task.timeoutMs,
  deadline: task.deadline?.toISOString() ?? null,
  traceparent: sampledTraceparent() ?? null,
});

/**
 * The guard is the parent's row: an attempt that is over submits nothing more, and lends no more than its hold has left. A task
 * that must stay in a region keeps its sub-tasks there, and all of them have its priority.
 */
const SUBMIT = `
  WITH feed AS MATERIALIZED (SELECT ${LOCK_FEED}),
  new_task AS MATERIALIZED (
    SELECT new_task.*
      FROM feed, json_to_record($6::json)
        AS new_task(id uuid, description text, required_capabilities text[], budget_micro bigint,
                    max_host_cost_micro bigint, input text, row_bytes int, weights text, limits text, region text,
                    region_required boolean, share_logs boolean, allow text[], throttled boolean, timeout_ms int,
                    deadline timestamptz, traceparent text)
  ),
  parent AS (
    UPDATE tasks
       SET lent_micro = lent_micro + $3::bigint, max_host_cost_micro = tasks.max_host_cost_micro - $3::bigint
      FROM new_task
     WHERE tasks.id = $1 AND attempt = $2 AND status IN ${LEASED_STATES}
       AND ($3::bigint = 0 OR hold_id > 0)
       AND host_cost_micro + $3::bigint <= tasks.max_host_cost_micro
       AND cardinality(ancestor_agents) < $4
       AND tasks_below(coalesce(root_id, tasks.id), new_task.id) < $5
       AND EXISTS (SELECT FROM users WHERE users.id = user_id AND suspended_at IS NULL)
    RETURNING tasks.id, user_id, attempt, coalesce(root_id, tasks.id) AS root_id, hold_id, tasks.deadline,
              tasks.priority, tasks.region, tasks.region_required, ancestor_agents || agent_id AS agents,
              ancestor_owners || (SELECT owner_id FROM agents WHERE agents.id = agent_id) AS owners
  ),
  child AS (
    INSERT INTO tasks (id, user_id, status, priority, description, required_capabilities, budget_micro, input, row_bytes,
                       weights, limits, region, region_required, share_logs, timeout_ms, traceparent, throttled,
                       deadline, allow, max_host_cost_micro, hold_id, parent_id, parent_attempt, root_id,
                       ancestor_agents, ancestor_owners)
    SELECT new_task.id, user_id, 'queued', parent.priority, description, required_capabilities, budget_micro, input::json, row_bytes,
           weights::json, limits::json,
           CASE WHEN parent.region_required THEN parent.region ELSE new_task.region END,
           parent.region_required OR new_task.region_required, share_logs, timeout_ms, traceparent, throttled,
           least(parent.deadline, new_task.deadline), allow, max_host_cost_micro,
           CASE WHEN $3::bigint > 0 THEN ${NEW_HOLD_ID} END, parent.id, attempt, root_id, agents, owners
      FROM parent, new_task
    RETURNING id, user_id, priority, required_capabilities, hold_id, parent_id, traceparent
  ),
  moved AS (
    INSERT INTO ledger_transfers
      (id, kind, debit_account, debit_user, credit_account, credit_user, amount_micro, task_id, hold_id)
    SELECT part.id, part.kind, part.debit, child.user_id, part.credit, child.user_id, $3::bigint, child.id, part.hold_id
      FROM child, parent,
           LATERAL (VALUES (1, ${NEW_HOLD_ID}, 'lend', 'held', 'available', parent.hold_id),
                           (2, child.hold_id, 'hold', 'available', 'held', child.hold_id))
             AS part(place, id, kind, debit, credit, hold_id)
     WHERE $3::bigint > 0
     ORDER BY place
  )
  INSERT INTO task_events (type, task_id, user_id, data, traceparent)
  SELECT 'task.queued', id, user_id,
         json_build_object('status', 'queued', 'priority', priority, 'required_capabilities', required_capabilities,
                           'parent_id', parent_id),
         traceparent
    FROM child
  RETURNING seq, data->>'priority' AS priority`;

const STANDING = `
  SELECT cardinality(ancestor_agents) AS depth,
         tasks_below(coalesce(root_id, id), id)::int AS below,
         host_cost_micro + $3::bigint <= max_host_cost_micro AS affordable
    FROM tasks
   WHERE id = $1 AND attempt = $2 AND status IN ${LEASED_STATES}`;

const PARK = `
  UPDATE tasks
     SET parked_at = clock_timestamp(), lease_until = clock_timestamp() + $3::float8 * interval '1 millisecond'
   WHERE id = $1 AND attempt = $2 AND status = 'running'
  RETURNING id`;

const UNPARK = `
  UPDATE tasks
     SET parked_ms = parked_ms + coalesce(extract(epoch FROM clock_timestamp() - parked_at) * 1000, 0), parked_at = NULL,
         lease_until = clock_timestamp() + $3::float8 * interval '1 millisecond'
   WHERE id = $1 AND attempt = $2 AND status = 'running'
  RETURNING id`;

const FIND = `
  SELECT status, error, cost_micro, result::text AS result,
         CASE WHEN document.sha256 IS NOT NULL
           THEN json_build_object('sha256', document.sha256, 'size', document.size, 'storageRef', document.storage_ref)
         END AS document
    FROM tasks
    LEFT JOIN task_documents AS document ON document.user_id = tasks.user_id AND document.sha256 = result_ref
   WHERE tasks.id = $1 AND parent_id = $2 AND parent_attempt = $3`;

const ENDED = `
  SELECT asked.id
    FROM unnest($1::uuid[]) AS asked(id)
    LEFT JOIN tasks ON tasks.id = asked.id
   WHERE tasks.id IS NULL OR status NOT IN ${UNFINISHED_STATES}`;

const OF_ATTEMPT = `
  SELECT id, attempt, agent_id, share_logs
    FROM tasks
   WHERE parent_id = $1 AND parent_attempt = $2 AND status IN ${UNFINISHED_STATES}`;

const ORPHANS = `
  SELECT child.id, child.attempt, child.agent_id, child.share_logs
    FROM tasks AS child
    LEFT JOIN tasks AS parent ON parent.id = child.parent_id
   WHERE child.parent_id IS NOT NULL AND child.status IN ${UNFINISHED_STATES}
     AND (parent.id IS NULL OR parent.status NOT IN ${UNFINISHED_STATES} OR parent.attempt <> child.parent_attempt)
   ORDER BY child.id
   LIMIT $1`;
