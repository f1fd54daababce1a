import { Injectable } from '@nestjs/common';
import { firstIdAt } from '../common/ids.js';
import { sampledTraceparent } from '../common/work-context.js';
import { MicroBatcher, Sql } from '../database/index.js';
import { agentOf, EventLog, LOCK_FEED } from '../feed/index.js';
import { SETTLED } from '../ledger/index.js';
import { taskChanges } from './metrics.js';
import { bytesOfResult } from './row-quota.js';
import type { AttemptMetering } from './task-attempt.entity.js';
import { asText, BATCH, highest } from './task-batch.js';
import type { AttemptEnd, Award, TaskChange, ToAssigned } from './task-change.js';
import { LEASED_STATES, statesBefore } from './task-state.js';

/**
 * The changes of state. Each is one SQL statement that changes the task, its attempt, its scoreboard, its money and its
 * event together, shared by all tasks that change at the same moment (see `MicroBatcher`), and announced after the commit.
 *
 * `transition` is the only writer of a task's status. It is guarded: it names the states it may leave (from the
 * transition table) and the attempt it speaks for. A late or duplicate worker changes nothing, and the answer says so.
 *
 * The statement and the code that writes its input stand together, because neither can be checked without the other.
 */
@Injectable()
export class TaskStore {
  private readonly transitions: MicroBatcher<TracedChange, AwardOutcome>;

  constructor(
    private readonly sql: Sql,
    private readonly events: EventLog,
  ) {
    this.transitions = new MicroBatcher((changes) => this.change(changes), {
      ...BATCH,
      keyOf: ({ change }) => change.taskId,
      bytesOf: ({ change }) => (change.to === 'completed' && 'text' in change.result ? change.result.text.length : 0),
    });
  }

  /**
   * Writes the metering of an attempt that another process ended: a cancelled one, or one whose worker seemed lost. The
   * first metering stays.
   */
  async meterLate(taskId: string, attempt: number, metering: AttemptMetering, logBytes: number): Promise<void> {
    await this.sql.query('task-meter', METER_LATE, [taskId, attempt, JSON.stringify(metering), logBytes]);
  }

  /**
   * Deletes up to `limit` tasks that ended more than `ageMs` ago, with their attempts and auctions; the oldest first.
   * @returns how many
   */
  async deleteOld(ageMs: number, limit: number): Promise<number> {
    const [row] = await this.sql.query<{ count: number }>('task-delete', DELETE_OLD, [
      ageMs,
      limit,
      firstIdAt(Date.now() - ageMs),
    ]);
    return row.count;
  }

  /** Deletes up to `limit` tasks of these users that have ended, with their attempts and auctions. @returns how many */
  async deleteOf(userIds: string[], limit: number): Promise<number> {
    const [row] = await this.sql.query<{ count: number }>('task-delete-of', DELETE_OF, [userIds, limit]);
    return row.count;
  }

  /** @returns whether the task was in a state that allowed the change; `false` means nothing was written */
  async transition(change: TaskChange): Promise<boolean> {
    return (await this.hand(change)) === 'changed';
  }

  /**
   * Takes back a change that is not written yet. Its promise never resolves.
   * @returns whether it was in time
   */
  withdraw(change: TaskChange): boolean {
    return this.transitions.withdraw((handed) => handed.change === change);
  }

  /** A change that begins an attempt. Whatever the answer is but `changed`, nothing was written. */
  award(change: ToAssigned): Promise<AwardOutcome> {
    return this.hand(change);
  }

  /** What is being worked on is known now; a batch is of many. */
  private hand(change: TaskChange): Promise<AwardOutcome> {
    return this.transitions.add({ change, traceparent: sampledTraceparent() });
  }

  /** Resolves when every change handed in so far is written. */
  drain(): Promise<void> {
    return this.transitions.drain();
  }

  private async change(handed: TracedChange[]): Promise<AwardOutcome[]> {
    const rows = await this.sql.query<{ id: string; seq: string | null; refusal: Refusal | null }>(
      'task-transition',
      TRANSITION,
      [JSON.stringify(handed.map(toChangeRow))],
    );
    const changes = handed.map(({ change }) => change);
    const outcomes = new Map<string, AwardOutcome>(rows.map(({ id, refusal }) => [id, refusal ?? 'changed']));
    const changed = new Set(rows.filter(({ refusal }) => !refusal).map(({ id }) => id));
    if (changed.size > 0) {
      // Only a cancellation needs another process to act at once: the worker kills the sandbox.
      const cancelled = changes.filter((change) => change.to === 'cancelled' && changed.has(change.taskId));
      const signals = cancelled.map((change) => ({ type: change.event.type, id: change.taskId }));
      this.events.announce({ seq: highest(rows), signals });
      for (const change of changes) {
        if (!changed.has(change.taskId)) continue;
        if (change.to === 'completed' && change.through) taskChanges.inc({ status: 'running' });
        taskChanges.inc({ status: change.to });
      }
    }
    return changes.map(({ taskId }) => outcomes.get(taskId) ?? 'moved_on');
  }
}

/** With the `traceparent` that its event carries. */
interface TracedChange {
  change: TaskChange;
  traceparent?: string;
}

/**
 * - `moved_on`: the task was in no state that allowed it, or in the hands of another attempt;
 * - `agent_changed`: the agent is not what bid any more (paused, another version, another price);
 * - `agent_busy`: it has as many tasks as it takes on at once.
 *
 * After `agent_changed` or `agent_busy`, the auction is to be held again.
 */
export type AwardOutcome = 'changed' | 'moved_on' | Refusal;
type Refusal = 'agent_changed' | 'agent_busy';

const METER_LATE = `
  WITH metered AS (
    UPDATE task_attempts
       SET metering = $3
     WHERE task_id = $1 AND ordinal = $2 AND ended_at IS NOT NULL AND metering IS NULL
    RETURNING task_id
  )
  UPDATE tasks SET row_bytes = row_bytes + $4::int WHERE $4::int > 0 AND id IN (SELECT task_id FROM metered)`;

/** A task that has ended does not change. One with an open hold stays. */
const deletion = (selection: string): string => `
  WITH old AS MATERIALIZED (
    SELECT id
      FROM tasks
     WHERE status IN ('completed', 'failed', 'cancelled') AND coalesce(hold_id, 0) <= 0 AND ${selection}
     ORDER BY id
     LIMIT $2
       FOR UPDATE SKIP LOCKED
  ),
  attempt AS (DELETE FROM task_attempts WHERE task_id IN (SELECT id FROM old)),
  call AS (DELETE FROM host_calls WHERE task_id IN (SELECT id FROM old)),
  question AS (DELETE FROM task_questions WHERE task_id IN (SELECT id FROM old)),
  auction AS (DELETE FROM auctions WHERE task_id IN (SELECT id FROM old)),
  gone AS (DELETE FROM tasks WHERE id IN (SELECT id FROM old) RETURNING id)
  SELECT count(*)::int AS count FROM gone`;

/** A task that ended before the cutoff also started before it, so newer ids can be skipped. */
const DELETE_OLD = deletion(`id < $3 AND completed_at < now() - $1::float8 * interval '1 millisecond'`);
const DELETE_OF = deletion('user_id = ANY ($1::uuid[])');

/** One row of the statement's input; a column that is left out is NULL. */
const toChangeRow = ({ change, traceparent }: TracedChange) => ({
  id: change.taskId,
  traceparent,
  to_status: change.to,
  from_statuses: statesBefore(isThroughRunning(change) ? 'running' : change.to).filter(
    (status) => change.from?.includes(status) ?? true,
  ),
  held_attempt: change.attempt,
  agent_owner_id: change.agentOwnerId,
  event_type: change.event.type,
  event_agent_id: agentOf(change.event.data),
  event_data: JSON.stringify(change.event.data),
  row_bytes: rowBytesOf(change),
  ...columnsOf(change),
});

/** Bytes that the change adds to what the task counts for its submitter's quota. */
const rowBytesOf = (change: TaskChange): number => {
  const logBytes = ('ended' in change && change.ended?.logBytes) || 0;
  const result = change.to === 'completed' && 'text' in change.result ? bytesOfResult(change.result.text) : 0;
  return logBytes + result;
};

const isThroughRunning = (change: TaskChange): boolean => change.to === 'completed' && change.through !== undefined;

/** The columns that only changes to this state have. */
function columnsOf(change: TaskChange): object {
  switch (change.to) {
    case 'queued':
      return { ...endColumns(change.ended), throttle: change.throttle };
    case 'assigned':
      return {
        ...endColumns(change.ended),
        ...awardColumns(change.award),
        lease_ms: change.leaseMs,
        scoreboard: asText(change.scoreboard),
      };
    case 'running':
      return { running_ms: msSince(change.runningSince), lease_ms: change.leaseMs };
    case 'input_required':
      return { lease_ms: change.leaseMs };
    case 'completed':
      return {
        ...endColumns(change.ended),
        ...('text' in change.result ? { result: change.result.text } : { result_ref: change.result.sha256 }),
        cost_micro: change.charge.costMicro.toString(),
        owner_micro: change.charge.ownerMicro.toString(),
        fee_micro: change.charge.feeMicro.toString(),
        through_type: change.through?.type,
        through_data: asText(change.through?.data),
      };
    case 'failed':
      return { ...endColumns(change.ended), error: asText(change.error), scoreboard: asText(change.scoreboard) };
    case 'cancelled':
      return { ...endColumns(change.ended), error: asText(change.error) };
  }
}

const awardColumns = (award: Award) => ({
  new_attempt: award.ordinal,
  agent_id: award.agentId,
  agent_revision: award.agentRevision,
  version: award.version,
  price_micro: award.priceMicro.toString(),
  worker: award.worker,
});

const endColumns = (ended: AttemptEnd | undefined) =>
  ended && {
    running_ms: msSince(ended.runningSince),
    ended_outcome: ended.outcome,
    ended_error: asText(ended.error),
    metering: asText(ended.metering),
  };

const msSince = (moment: number | undefined): number | null =>
  moment === undefined ? null : performance.now() - moment;

/**
 * Every time that a change writes is one reading of the database's clock, `feed.at`, taken once the feed's lock is had: an
 * attempt ends when its task does, and times follow the order of events. `running_ms` says how long ago the sandbox began
 * when the change was handed over. The task's start is never later than that, so `completed_at - started_at` is at least
 * the wall time of the attempt.
 *
 * `feed` comes first so that every batch takes the feed's lock before it locks rows: two batches with tasks in common
 * then wait for each other in one place and cannot deadlock.
 *
 * Since every award is made under that lock, an agent's tasks can be counted exactly: `tasks_at_work` sees what was committed
 * before the lock was had, `place` what this batch awards itself. A task that another row of the batch ends still counts.
 */
const TRANSITION = `
  WITH feed AS MATERIALIZED (SELECT ${LOCK_FEED}, clock_timestamp() AS at),
  handed AS MATERIALIZED (
    SELECT change.*, feed.at
      FROM feed, json_to_recordset($1::json)
             AS change(id uuid, to_status text, from_statuses text[], through_type text, through_data text, running_ms float8,
                  throttle boolean, held_attempt int, new_attempt int, agent_id uuid,
                  agent_revision bigint, agent_owner_id uuid, version text, price_micro bigint, worker int, lease_ms int, ended_outcome text,
                  ended_error text, metering text, scoreboard text, result text, row_bytes int, result_ref text, error text,
                    cost_micro bigint, owner_micro bigint, fee_micro bigint,
                    event_type text, event_agent_id uuid, event_data text, traceparent text)
  ),
  change AS MATERIALIZED (
    SELECT change.*, CASE
             WHEN agent_id IS NULL THEN NULL
             WHEN agents.revision IS DISTINCT FROM agent_revision THEN 'agent_changed'
             WHEN max_concurrency IS NULL THEN NULL
             WHEN tasks_at_work(agent_id, change.id) + place > max_concurrency THEN 'agent_busy'
           END AS refusal
      FROM (SELECT *, row_number() OVER (PARTITION BY agent_id) AS place FROM handed) AS change
      LEFT JOIN agents ON agents.id = agent_id
  ),
  moved AS (
    UPDATE tasks
       SET status = to_status,
           attempt = coalesce(new_attempt, attempt),
           agent_id = CASE WHEN to_status <> 'queued' THEN coalesce(change.agent_id, tasks.agent_id) END,
           version = CASE WHEN to_status <> 'queued' THEN coalesce(change.version, tasks.version) END,
           throttled = coalesce(throttle, false),
           hold_id = CASE
             WHEN to_status IN ('completed', 'failed', 'cancelled') THEN CASE WHEN hold_id > 0 THEN -hold_id END
             ELSE hold_id END,
           lease_until = CASE
             WHEN to_status IN ('queued', 'completed', 'failed', 'cancelled') THEN NULL
             WHEN lease_ms IS NOT NULL THEN at + lease_ms * interval '1 millisecond'
             ELSE lease_until END,
           worker = CASE WHEN to_status IN ${LEASED_STATES} THEN coalesce(change.worker, tasks.worker) END,
           parked_at = CASE WHEN to_status = 'input_required' THEN at END,
           parked_ms = CASE
             WHEN new_attempt IS NOT NULL THEN 0
             WHEN parked_at IS NOT NULL THEN parked_ms + extract(epoch FROM at - parked_at) * 1000
             ELSE parked_ms END,
           result = coalesce(change.result::json, tasks.result),
           row_bytes = tasks.row_bytes + change.row_bytes,
           result_ref = coalesce(change.result_ref, tasks.result_ref),
           error = CASE WHEN to_status <> 'queued' THEN coalesce(change.error::json, tasks.error) END,
           cost_micro = coalesce(change.cost_micro, tasks.cost_micro),
           started_at = least(started_at, CASE
             WHEN running_ms IS NOT NULL THEN at - running_ms * interval '1 millisecond'
             WHEN to_status = 'running' THEN at END),
           completed_at = CASE WHEN to_status IN ('completed', 'failed', 'cancelled') THEN at END
      FROM change
     WHERE tasks.id = change.id
       AND refusal IS NULL
       AND tasks.status = ANY (from_statuses)
       AND (held_attempt IS NULL OR tasks.attempt = held_attempt)
    RETURNING tasks.id, at, tasks.user_id, tasks.attempt, change.new_attempt, change.agent_id,
              change.agent_owner_id, change.version, change.price_micro, change.ended_outcome, change.ended_error,
              change.metering, change.scoreboard, change.through_type, change.through_data,
              change.event_type, change.event_agent_id, change.event_data, change.traceparent,
              change.result AS event_result,
              tasks.agent_id AS last_agent_id, tasks.budget_micro + tasks.max_host_cost_micro AS held_micro, tasks.hold_id, change.to_status,
              least(tasks.host_cost_micro, tasks.max_host_cost_micro) AS host_micro,
              coalesce(change.owner_micro, 0) AS owner_micro, coalesce(change.fee_micro, 0) AS fee_micro
  ),
  ${SETTLED},
  ended_attempt AS (
    UPDATE task_attempts
       SET outcome = ended_outcome, error = ended_error::json, metering = moved.metering::json, ended_at = at
      FROM moved
     WHERE ended_outcome IS NOT NULL AND task_attempts.task_id = moved.id
       -- An award has moved the task on to the attempt after the one that ended.
       AND task_attempts.ordinal = coalesce(moved.new_attempt - 1, moved.attempt)
       AND task_attempts.outcome IS NULL
  ),
  new_attempt AS (
    INSERT INTO task_attempts (task_id, ordinal, agent_id, version, price_micro, started_at)
    SELECT id, new_attempt, agent_id, version, price_micro, at FROM moved WHERE new_attempt IS NOT NULL
  ),
  auction AS (
    INSERT INTO auctions (task_id, round, first_attempt, scoreboard, created_at)
    SELECT id, (SELECT coalesce(max(round), 0) + 1 FROM auctions WHERE task_id = moved.id), new_attempt, scoreboard::json, at
      FROM moved
     WHERE scoreboard IS NOT NULL
  ),
  event AS (
    INSERT INTO task_events (type, task_id, user_id, agent_owner_id, agent_id, data, result, at, traceparent)
    SELECT type, id, user_id,
           coalesce(agent_owner_id, (SELECT owner_id FROM agents WHERE agents.id = event_agent_id)),
           event_agent_id, data::json, result::json, at, traceparent
      FROM moved, LATERAL (VALUES (1, through_type, through_data, NULL), (2, event_type, event_data, event_result))
        AS event(place, type, data, result)
     WHERE type IS NOT NULL
     ORDER BY id, place
    RETURNING task_id, seq
  )
  SELECT task_id AS id, seq, NULL AS refusal FROM event
  UNION ALL
  SELECT id, NULL, refusal FROM change WHERE refusal IS NOT NULL`;
