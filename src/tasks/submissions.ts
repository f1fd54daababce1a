import { Injectable } from '@nestjs/common';
import { MicroBatcher, Sql } from '../database/index.js';
import { EventLog, LOCK_FEED } from '../feed/index.js';
import { countSpending, hasLimits, NEW_HOLD_ID, PRICED } from '../ledger/index.js';
import { tasksSubmitted } from './metrics.js';
import type { NewTask } from './new-task.js';
import { bytesOfTask } from './row-quota.js';
import { asText, BATCH, highest } from './task-batch.js';

/**
 * Submissions, and the idempotency keys by which their repetitions are recognised. All that come at the same moment share one
 * SQL statement (see `MicroBatcher`), and are announced after its commit.
 */
@Injectable()
export class Submissions {
  private readonly batches: MicroBatcher<Submission, SubmissionOutcome>;

  constructor(
    private readonly sql: Sql,
    private readonly events: EventLog,
  ) {
    this.batches = new MicroBatcher((submissions) => this.insert(submissions), {
      ...BATCH,
      keyOf: ({ tasks, key }) => key && `${tasks[0].userId} ${key.key}`,
      bytesOf: ({ tasks }) => tasks.reduce((bytes, task) => bytes + MEMBERS_BYTES + (task.inputText?.length ?? 0), 0),
    });
  }

  /**
   * Writes all tasks of the submission, the hold of each budget, the `task.queued` of each and the submission's key, or nothing
   * at all.
   */
  submit(submission: Submission): Promise<SubmissionOutcome> {
    return this.batches.add(submission);
  }

  /** What a submission with this key has become, if there was one in the last `ttlMs`. */
  async earlier(userId: string, key: string, ttlMs: number): Promise<EarlierSubmission | null> {
    const [row] = await this.sql.query<{ fingerprint: string; task_ids: string[] }>('task-by-key', BY_KEY, [
      userId,
      key,
      ttlMs,
    ]);
    return row ? { fingerprint: row.fingerprint, taskIds: row.task_ids } : null;
  }

  /** Deletes up to `limit` keys older than `ttlMs`. @returns how many */
  async forgetKeys(ttlMs: number, limit: number): Promise<number> {
    const [row] = await this.sql.query<{ count: number }>('task-forget-keys', FORGET_KEYS, [ttlMs, limit]);
    return row.count;
  }

  /** Resolves when every submission handed in so far is written. */
  drain(): Promise<void> {
    return this.batches.drain();
  }

  private async insert(submissions: Submission[]): Promise<SubmissionOutcome[]> {
    const rows = await this.sql.query<SubmittedRow>('task-submit', SUBMIT, [
      JSON.stringify(submissions.flatMap(({ key }, number) => (key ? [toKeyRow(submissions[number], number)] : []))),
      JSON.stringify(
        submissions.flatMap((submission, number) =>
          submission.tasks.map((task) => toTaskRow(task, number, submission)),
        ),
      ),
    ]);
    const written = rows.filter(({ seq }) => seq !== null);
    if (written.length > 0) this.events.announce({ seq: highest(written), signals: [] });
    for (const { submission } of written) {
      for (const { priority } of submissions[submission].tasks) tasksSubmitted.inc({ priority });
    }
    const outcomes = new Map(rows.map((row) => [row.submission, toOutcome(row)]));
    return submissions.map((_, number) => outcomes.get(number) ?? { end: 'account_gone' });
  }
}

/** What is written whole or not at all: one task, or a batch of one user's. */
export interface Submission {
  /** At least one, all of one user. */
  tasks: NewTask[];
  /** By which its repetition is recognised. */
  key?: SubmissionKey;
  /** The API key that submits it. */
  apiKeyId?: string;
  /** Of what submits it. */
  traceparent?: string;
}

export interface SubmissionKey {
  key: string;
  /** SHA-256 of the request, hexadecimal. */
  fingerprint: string;
  /** For how long, ms. */
  ttlMs: number;
}

/** Unless it was stored, nothing was written. */
export type SubmissionOutcome =
  | { end: 'stored'; createdAt: Date }
  | { end: 'repeated' }
  /** The user's balance is less than the budgets together. */
  | { end: 'unpaid'; availableMicro: bigint }
  /** A spending limit of the account, of the key, or of a key that it was made with refuses it. */
  | { end: 'over_limit' }
  | { end: 'account_gone' };

export interface EarlierSubmission {
  fingerprint: string;
  taskIds: string[];
}

/** What a task takes beside its input, roughly. */
const MEMBERS_BYTES = 500;

interface SubmittedRow {
  /** Place in the batch. */
  submission: number;
  created_at: Date | null;
  /** Null when nothing was written. */
  seq: string | null;
  /** What the user can still spend, when the submission costs more. */
  available: string | null;
  over_limit: boolean;
}

function toOutcome({ created_at, available, over_limit }: SubmittedRow): SubmissionOutcome {
  if (over_limit) return { end: 'over_limit' };
  if (created_at) return { end: 'stored', createdAt: created_at };
  return available === null ? { end: 'repeated' } : { end: 'unpaid', availableMicro: BigInt(available) };
}

const toKeyRow = ({ tasks, key }: Submission, submission: number) => ({
  submission,
  user_id: tasks[0].userId,
  key: key?.key,
  fingerprint: key?.fingerprint,
  ttl_ms: key?.ttlMs,
  task_ids: tasks.map(({ id }) => id),
});

const toTaskRow = (task: NewTask, submission: number, { key, traceparent, apiKeyId }: Submission) => ({
  submission,
  traceparent: traceparent ?? null,
  key_id: apiKeyId ?? null,
  keyed: key !== undefined,
  id: task.id,
  user_id: task.userId,
  priority: task.priority,
  description: task.description,
  required_capabilities: task.requiredCapabilities,
  budget_micro: task.budgetMicro.toString(),
  input: task.inputText,
  row_bytes: bytesOfTask(task),
  input_ref: task.inputRef,
  result_by_ref: task.resultByRef,
  weights: asText(task.weights),
  limits: asText(task.limits),
  region: task.region,
  region_required: task.regionRequired,
  share_logs: task.shareLogs,
  allow: task.allow,
  max_host_cost_micro: task.maxHostCostMicro.toString(),
  timeout_ms: task.timeoutMs,
  throttled: task.throttled,
  run_at: task.runAt?.toISOString() ?? null,
  deadline: task.deadline?.toISOString() ?? null,
  retry_of: task.retryOf,
  context_id: task.contextId,
  only_agent_id: task.onlyAgentId,
});

/**
 * Whether a key is taken, and whether a balance suffices, is decided once the feed's lock is had: keys and balances change
 * under it alone. So a submission that is refused claims no key, and one that is repeated holds nothing. Keys past their
 * time are claimed anew. What is held is what was inserted.
 */
const SUBMIT = `
  WITH feed AS MATERIALIZED (SELECT ${LOCK_FEED}),
  new_key AS MATERIALIZED (
    SELECT new_key.*, idempotency_key_taken(user_id, key, ttl_ms) AS taken
      FROM feed, json_to_recordset($1::json)
        AS new_key(submission int, user_id uuid, key text, fingerprint text, ttl_ms bigint, task_ids uuid[])
     WHERE EXISTS (SELECT FROM users WHERE users.id = new_key.user_id AND suspended_at IS NULL)
  ),
  new_task AS MATERIALIZED (
    SELECT new_task.*
      FROM feed, json_to_recordset($2::json)
        AS new_task(submission int, keyed boolean, id uuid, user_id uuid, priority text, description text,
                    required_capabilities text[], budget_micro bigint, input text, row_bytes int, input_ref text,
                    result_by_ref boolean,
                    weights text, limits text,
                    region text, region_required boolean, share_logs boolean, timeout_ms int, traceparent text,
                    throttled boolean, run_at timestamptz, deadline timestamptz, key_id uuid,
                    allow text[], max_host_cost_micro bigint, retry_of uuid, context_id text,
                    only_agent_id uuid)
     -- A missing account's foreign key would refuse the whole batch; a suspended one may submit nothing.
     WHERE EXISTS (SELECT FROM users WHERE users.id = new_task.user_id AND suspended_at IS NULL)
       AND (NOT keyed OR submission IN (SELECT submission FROM new_key WHERE NOT taken))
  ),
  offer AS MATERIALIZED (
    SELECT submission AS number, user_id, key_id, sum(budget_micro + max_host_cost_micro) AS amount,
           max(budget_micro + max_host_cost_micro) AS largest
      FROM new_task
     GROUP BY submission, user_id, key_id
  ),
  ${PRICED},
  claimed AS (
    INSERT INTO idempotency_keys AS known (user_id, key, fingerprint, task_ids)
    SELECT user_id, key, fingerprint, task_ids
      FROM new_key
     WHERE submission IN (SELECT number FROM priced WHERE affordable)
    ON CONFLICT (user_id, key) DO UPDATE
      SET fingerprint = excluded.fingerprint, task_ids = excluded.task_ids, created_at = now()
      WHERE known.created_at < now() - (
        SELECT min(ttl_ms) FROM new_key WHERE new_key.user_id = known.user_id AND new_key.key = known.key
      ) * interval '1 millisecond'
    RETURNING user_id, key
  ),
  claim AS MATERIALIZED (SELECT submission FROM new_key JOIN claimed USING (user_id, key)),
  task AS (
    INSERT INTO tasks (id, user_id, status, priority, description, required_capabilities, budget_micro, input, row_bytes,
                       input_ref, result_by_ref, weights, limits, region, region_required, share_logs, timeout_ms, traceparent, throttled,
                       run_at, deadline, allow, max_host_cost_micro, retry_of, context_id, only_agent_id, hold_id)
    SELECT id, user_id, 'queued', priority, description, required_capabilities, budget_micro, input::json, row_bytes,
           input_ref, result_by_ref, weights::json, limits::json, region, region_required, share_logs, timeout_ms, traceparent, throttled,
           run_at, deadline, allow, max_host_cost_micro, retry_of, context_id, only_agent_id,
           CASE WHEN budget_micro + max_host_cost_micro > 0 THEN ${NEW_HOLD_ID} END
      FROM new_task
     WHERE submission IN (SELECT number FROM priced WHERE affordable)
       AND (NOT keyed OR submission IN (SELECT submission FROM claim))
    RETURNING id, user_id, priority, required_capabilities, retry_of, context_id, traceparent, created_at, budget_micro + max_host_cost_micro AS held_micro, hold_id
  ),
  hold AS (
    INSERT INTO ledger_transfers
      (id, hold_id, kind, debit_account, debit_user, credit_account, credit_user, amount_micro, task_id, key_id)
    SELECT hold_id, hold_id, 'hold', 'available', task.user_id, 'held', task.user_id, task.held_micro, id, key_id
      FROM task
      JOIN new_task USING (id)
     WHERE hold_id IS NOT NULL
    RETURNING debit_user, key_id, at, amount_micro
  ),
  ${countSpending(`
    SELECT debit_user AS user_id, key_id, at, amount_micro AS amount
      FROM hold
     WHERE ${hasLimits('debit_user')}`)},
  balance AS (
    UPDATE ledger_balances
       SET available_micro = available_micro - held.amount, held_micro = held_micro + held.amount
      FROM (SELECT user_id, sum(held_micro) AS amount FROM task GROUP BY user_id) AS held
     WHERE ledger_balances.user_id = held.user_id AND held.amount > 0
  ),
  event AS (
    INSERT INTO task_events (type, task_id, user_id, data, traceparent)
    SELECT 'task.queued', id, user_id,
           json_strip_nulls(json_build_object('status', 'queued', 'priority', priority,
             'required_capabilities', required_capabilities, 'retry_of', retry_of, 'context_id', context_id)),
           CASE WHEN traceparent LIKE '%-01' THEN traceparent END
      FROM task
    RETURNING seq
  )
  SELECT DISTINCT submission, task.created_at, (SELECT max(seq) FROM event) AS seq, NULL::bigint AS available, false AS over_limit
    FROM task JOIN new_task USING (id)
  UNION ALL
  SELECT number, NULL, NULL, available, over_limit FROM priced WHERE NOT affordable
  UNION ALL
  SELECT submission, NULL, NULL, NULL, false
    FROM new_key
   WHERE submission NOT IN (SELECT submission FROM claim) AND submission NOT IN (SELECT number FROM priced WHERE NOT affordable)`;

const BY_KEY = `
  SELECT fingerprint, task_ids
    FROM idempotency_keys
   WHERE user_id = $1 AND key = $2 AND created_at >= now() - $3 * interval '1 millisecond'`;

const FORGET_KEYS = `
  WITH gone AS (
    DELETE FROM idempotency_keys
     WHERE (user_id, key) IN (
       SELECT user_id, key
         FROM idempotency_keys
        WHERE created_at < now() - $1 * interval '1 millisecond'
        ORDER BY created_at
        LIMIT $2
          FOR UPDATE SKIP LOCKED
     )
    RETURNING key
  )
  SELECT count(*)::int AS count FROM gone`;
