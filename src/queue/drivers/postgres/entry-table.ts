import { isPresent, type Sql } from '../../../database/index.js';
import type { QueueCounts, QueueEntry } from '../../task-queue.js';

/** Consumers listen on this channel. The payload of a notification is `Ring` as JSON. */
export const QUEUE_CHANNEL = 'queue_entries';

/** Says that entries were added, or that a pause has ended. */
export interface Ring {
  /** Presence number of the process that rings. It needs no notification of its own act. */
  from: number;
  /** Until the first of these entries may be taken, ms. */
  inMs: number;
}

export interface TakenEntry {
  taskId: string;
  /** How often its handler has thrown. */
  failures: number;
}

export interface FinishedEntry {
  taskId: string;
  failures: number;
  /** Until it may be taken again, ms; null: the entry is deleted. */
  againInMs: number | null;
}

export interface ListedEntry extends TakenEntry {
  state: keyof QueueCounts;
  dueAt: Date;
}

/**
 * The statements of the table `queue_entries`. An entry is *leased* while `consumer` names a process (see `Presence`).
 * All times are those of the database's clock.
 */
export class EntryTable {
  constructor(private readonly sql: Sql) {}

  /** Adds entries in this order and rings. An entry that is there stays as it is. */
  async add(entries: readonly QueueEntry[], ring: Ring): Promise<void> {
    const ids = entries.map(({ taskId }) => taskId);
    const delays = entries.map(({ delayMs = 0 }) => delayMs);
    await this.sql.query('queue-add', ADD, [ids, delays, QUEUE_CHANNEL, JSON.stringify(ring)]);
  }

  /** Deletes an entry that no consumer has leased. */
  async remove(taskId: string): Promise<void> {
    await this.sql.query('queue-remove', REMOVE, [taskId]);
  }

  /** @returns those of the tasks that have no entry, in this order */
  async missing(taskIds: readonly string[]): Promise<string[]> {
    const rows = await this.sql.query<{ id: string }>('queue-missing', MISSING, [taskIds]);
    return rows.map(({ id }) => id);
  }

  /** Leases the next entries to a consumer. @returns at most `most`, in the order of their turns; none while paused */
  async take(consumer: number, most: number): Promise<TakenEntry[]> {
    const rows = await this.sql.query<EntryRow>('queue-take', TAKE, [consumer, most]);
    return rows.map(toTaken);
  }

  /** Deletes entries of this consumer, or ends their lease. What another consumer has leased meanwhile stays. */
  async finish(consumer: number, entries: readonly FinishedEntry[]): Promise<void> {
    const done = entries.filter(({ againInMs }) => againInMs === null);
    const again = entries.filter(({ againInMs }) => againInMs !== null);
    if (done.length > 0) {
      const ids = done.map(({ taskId }) => taskId);
      await this.sql.query('queue-done', DONE, [consumer, ids]);
    }
    if (again.length > 0) {
      const ids = again.map(({ taskId }) => taskId);
      const [delays, failures] = [again.map(({ againInMs }) => againInMs), again.map((entry) => entry.failures)];
      await this.sql.query('queue-again', AGAIN, [consumer, ids, delays, failures]);
    }
  }

  /**
   * Ends leases whose holder does not work on the entry: its process has gone, or an answer was lost on the way to it.
   * @param atWork what this consumer works on
   * @param trustsAbsence whether a process that is not present has gone
   */
  async endLostLeases(consumer: number, atWork: readonly string[], trustsAbsence: boolean): Promise<void> {
    await this.sql.query('queue-end-lost-leases', END_LOST_LEASES, [consumer, atWork, trustsAbsence]);
  }

  async counts(): Promise<QueueCounts> {
    const [counts] = await this.sql.query<QueueCounts>('queue-counts', COUNTS, []);
    return counts;
  }

  async isPaused(): Promise<boolean> {
    const [{ paused }] = await this.sql.query<{ paused: boolean }>('queue-is-paused', IS_PAUSED, []);
    return paused;
  }

  async setPaused(paused: boolean, ring: Ring): Promise<void> {
    await this.sql.query('queue-set-paused', SET_PAUSED, [paused, QUEUE_CHANNEL, JSON.stringify(ring)]);
  }

  /** The first entries, leased ones before those that wait, for a page. */
  async list(most: number): Promise<ListedEntry[]> {
    const rows = await this.sql.query<ListedRow>('queue-list', LIST, [most]);
    return rows.map((row) => ({ ...toTaken(row), state: row.state, dueAt: row.due_at }));
  }
}

interface EntryRow {
  task_id: string;
  failures: number;
}

interface ListedRow extends EntryRow {
  state: keyof QueueCounts;
  due_at: Date;
}

const toTaken = ({ task_id, failures }: EntryRow): TakenEntry => ({ taskId: task_id, failures });

/** Milliseconds from now. @param ms an expression */
const inMs = (ms: string): string => `now() + ${ms} * interval '1 millisecond'`;

/** The INSERT runs whether or not the rest of the statement reads it. */
const ADD = `
  WITH added AS (
    INSERT INTO queue_entries (task_id, due_at)
    SELECT task_id, ${inMs('delay_ms')}
      FROM unnest($1::uuid[], $2::float8[]) WITH ORDINALITY AS entry (task_id, delay_ms, place)
     ORDER BY place
    ON CONFLICT (task_id) DO NOTHING
  )
  SELECT pg_notify($3, $4)`;

const REMOVE = 'DELETE FROM queue_entries WHERE task_id = $1 AND consumer IS NULL';

const MISSING = `
  SELECT asked.id
    FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
   WHERE NOT EXISTS (SELECT FROM queue_entries WHERE task_id = asked.id)
   ORDER BY place`;

/** `SKIP LOCKED`: several consumers take at the same moment, and none waits for another. */
const TAKE = `
  WITH next AS MATERIALIZED (
    SELECT task_id
      FROM queue_entries
     WHERE consumer IS NULL AND due_at <= now() AND NOT (SELECT paused FROM queue_state)
     ORDER BY due_at, seq
     LIMIT $2
       FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE queue_entries AS entry SET consumer = $1 FROM next WHERE entry.task_id = next.task_id
    RETURNING entry.task_id, entry.failures, entry.due_at, entry.seq
  )
  SELECT task_id, failures FROM taken ORDER BY due_at, seq`;

const DONE = 'DELETE FROM queue_entries WHERE task_id = ANY ($2::uuid[]) AND consumer = $1';

const AGAIN = `
  UPDATE queue_entries AS entry
     SET consumer = NULL, due_at = ${inMs('again.delay_ms')}, failures = again.failures
    FROM unnest($2::uuid[], $3::float8[], $4::int[]) AS again (task_id, delay_ms, failures)
   WHERE entry.task_id = again.task_id AND consumer = $1`;

/** Each consumer is asked for once: what answers is a lock of the whole database. */
const END_LOST_LEASES = `
  WITH others AS MATERIALIZED (
    SELECT DISTINCT consumer FROM queue_entries WHERE consumer IS NOT NULL AND consumer <> $1
  ), gone AS MATERIALIZED (
    SELECT consumer FROM others WHERE $3::boolean AND NOT (${isPresent('consumer')})
  )
  UPDATE queue_entries
     SET consumer = NULL
   WHERE consumer IS NOT NULL
     AND (consumer IN (SELECT consumer FROM gone) OR (consumer = $1 AND NOT task_id = ANY ($2::uuid[])))`;

const COUNTS = `
  SELECT (count(*) FILTER (WHERE consumer IS NULL AND due_at <= now()))::int AS waiting,
         (count(*) FILTER (WHERE consumer IS NOT NULL))::int AS active,
         (count(*) FILTER (WHERE consumer IS NULL AND due_at > now()))::int AS delayed
    FROM queue_entries`;

const IS_PAUSED = 'SELECT paused FROM queue_state';

const SET_PAUSED = `
  WITH changed AS (UPDATE queue_state SET paused = $1)
  SELECT pg_notify($2, $3)`;

const LIST = `
  SELECT task_id, failures, due_at,
         CASE WHEN consumer IS NOT NULL THEN 'active' WHEN due_at <= now() THEN 'waiting' ELSE 'delayed' END AS state
    FROM queue_entries
   ORDER BY consumer IS NULL, due_at, seq
   LIMIT $1`;
