import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { FeedEvent } from '../feed/index.js';
import { type StoredAttempt, toRow, type WebhookRow } from './webhook-row.js';

/** Events that one statement looks at. */
const SCAN = 5000;
/** Requests of one delivery that are kept. */
const KEPT_ATTEMPTS = 20;
/** Pending deliveries of one webhook. The feed keeps what comes after them until there is room. */
export const MAX_PENDING = 500;
/** Deliveries of one webhook that are kept after their end. */
export const KEPT_DELIVERIES = 1000;

/** A webhook in the hands of a turn, as it is now. */
export interface LeasedWebhook extends Pick<
  WebhookRow,
  'id' | 'user_id' | 'url' | 'event_types' | 'agent_ids' | 'failures'
> {
  role: 'user' | 'admin';
  key_id: string;
  sealed: Buffer;
  previous_key_id: string | null;
  /** Null once the time of the old secret is over. */
  previous_sealed: Buffer | null;
  seq: string;
  /** The feed had events after `seq` when the row was read. */
  behind: boolean;
  last_success_at: Date | null;
}

export interface DueDelivery {
  id: string;
  seq: string | null;
  tries: number;
  first_tried_at: Date | null;
  /** When it was due, as text: a replay since then has set another time. */
  due_at: string;
}

/**
 * The statements of workers that serve webhooks. Each changes a webhook only for the turn that leases it. A transaction
 * locks the webhook before its deliveries, as its deletion does, so that no two wait for each other.
 */
@Injectable()
export class TurnStore {
  constructor(private readonly database: DataSource) {}

  /**
   * Marks the webhooks of users with news in the feed. One process at a time does it; others return at once.
   * @returns whether there may be more to read
   */
  async wake(): Promise<boolean> {
    const [{ count }] = await this.database.query<{ count: number }[]>(WAKE, [SCAN]);
    return count === SCAN;
  }

  /**
   * Leases the webhook whose work waits longest.
   * @param busyUsers whose webhooks are left alone
   * @returns undefined when there is none
   */
  async claim(
    turn: string,
    leaseMs: number,
    busyUsers: string[],
  ): Promise<{ id: string; user_id: string } | undefined> {
    const values = [turn, leaseMs, busyUsers];
    const [[row]] = await this.database.query<[{ id: string; user_id: string }[], number]>(CLAIM, values);
    return row;
  }

  /**
   * Reads the webhook and extends the lease.
   * @param read whether the caller will read the feed now if the webhook is behind
   * @returns undefined when it is not this turn's any more, or not active
   */
  async renew(id: string, turn: string, leaseMs: number, read: boolean): Promise<LeasedWebhook | undefined> {
    const [[row]] = await this.database.query<[LeasedWebhook[], number]>(RENEW, [id, turn, leaseMs, read]);
    return row;
  }

  /** Makes deliveries of events, and moves the webhook's place in the feed to `seq`, in one statement. */
  async enqueue(id: string, turn: string, seq: number, behind: boolean, events: readonly FeedEvent[]): Promise<void> {
    await this.database.query(ENQUEUE, [id, turn, seq, behind, JSON.stringify(events.map(toRow))]);
  }

  async pendingOf(id: string): Promise<number> {
    const text = `SELECT count(*)::int AS count FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'pending'`;
    const [{ count }] = await this.database.query<{ count: number }[]>(text, [id]);
    return count;
  }

  /** Deliveries whose time has come, at most one of those that go one after the other. */
  due(id: string, limit: number): Promise<DueDelivery[]> {
    return this.database.query<DueDelivery[]>(DUE, [id, limit]);
  }

  /** Records a request that was accepted. */
  async delivered({ id, due_at }: DueDelivery, webhookId: string, attempt: StoredAttempt): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const text = 'UPDATE webhooks SET failures = 0, throttled_until = now(), last_success_at = now() WHERE id = $1';
      await transaction.query(text, [webhookId]);
      await transaction.query(RECORD, [id, JSON.stringify(attempt), 'delivered', null, due_at]);
    });
  }

  /**
   * Records a request that failed.
   * @param again ms until the next one; undefined: the delivery has failed
   */
  async failed(
    { id, due_at }: DueDelivery,
    webhookId: string,
    attempt: StoredAttempt,
    again: number | undefined,
    throttleMs: number,
  ): Promise<void> {
    await this.database.transaction(async (transaction) => {
      await transaction.query(
        `UPDATE webhooks SET failures = failures + 1, throttled_until = now() + $2 * interval '1 millisecond' WHERE id = $1`,
        [webhookId, throttleMs],
      );
      const state = again === undefined ? 'failed' : 'pending';
      await transaction.query(RECORD, [id, JSON.stringify(attempt), state, again ?? null, due_at]);
    });
  }

  /** Puts a delivery off that could not be sent for a reason of this server's. It counts as no try. */
  async postpone(id: string, ms: number): Promise<void> {
    const text = `UPDATE webhook_deliveries SET next_at = now() + $2 * interval '1 millisecond' WHERE id = $1`;
    await this.database.query(text, [id, ms]);
  }

  /** For an event that is no longer in the feed, or that its user may not see any more. */
  async drop(id: string): Promise<void> {
    await this.database.query('DELETE FROM webhook_deliveries WHERE id = $1', [id]);
  }

  /** @returns whether it was active */
  async disable(transaction: EntityManager, id: string, reason: string): Promise<boolean> {
    const [, affected] = await transaction.query<[unknown, number]>(
      `UPDATE webhooks SET status = 'disabled', disabled_reason = $2 WHERE id = $1 AND status = 'active'`,
      [id, reason],
    );
    return affected > 0;
  }

  /** Ends the lease, says when there is work next, and deletes old deliveries. */
  async release(id: string, turn: string): Promise<void> {
    await this.database.query(TRIM, [id, KEPT_DELIVERIES]);
    await this.database.query(RELEASE, [id, turn, MAX_PENDING]);
  }
}

const WAKE = `
  WITH place AS (SELECT seq FROM feed_cursors WHERE projection = 'webhooks' FOR UPDATE SKIP LOCKED),
  news AS MATERIALIZED (
    SELECT seq, type, user_id, agent_owner_id FROM task_events
     WHERE seq > (SELECT seq FROM place) ORDER BY seq LIMIT $1
  ),
  woken AS (
    UPDATE webhooks
       SET behind = true, due_at = least(coalesce(due_at, 'infinity'), greatest(now(), throttled_until))
     WHERE status = 'active' AND NOT behind
       AND (user_id IN (SELECT user_id FROM news UNION SELECT agent_owner_id FROM news)
            OR EXISTS (SELECT FROM news WHERE type = 'system.announcement'))
  ),
  moved AS (
    UPDATE feed_cursors SET seq = (SELECT max(seq) FROM news)
     WHERE projection = 'webhooks' AND EXISTS (SELECT FROM news)
  )
  SELECT count(*)::int AS count FROM news`;

/** A turn that ended without a release may have read the feed's news and lost them: it reads again. */
const CLAIM = `
  UPDATE webhooks
     SET behind = behind OR leased_by IS NOT NULL, leased_by = $1, lease_until = now() + $2 * interval '1 millisecond',
         due_at = NULL
   WHERE id IN (
     SELECT webhooks.id FROM webhooks JOIN users ON users.id = user_id
      WHERE status = 'active' AND (due_at <= now() OR leased_by IS NOT NULL) AND (lease_until IS NULL OR lease_until <= now())
        AND suspended_at IS NULL AND user_id <> ALL ($3::uuid[])
      ORDER BY due_at LIMIT 1 FOR UPDATE OF webhooks SKIP LOCKED
   )
  RETURNING id, user_id`;

const RENEW = `
  UPDATE webhooks
     SET behind = behind AND NOT $4, lease_until = now() + $3 * interval '1 millisecond'
    FROM (SELECT webhooks.id AS leased_id, behind AS was_behind, role FROM webhooks JOIN users ON users.id = user_id
           WHERE webhooks.id = $1 AND suspended_at IS NULL FOR UPDATE OF webhooks) AS leased
   WHERE id = leased_id AND leased_by = $2 AND status = 'active'
  RETURNING id, user_id, role, url, event_types, agent_ids, key_id, sealed, previous_key_id, seq, failures,
            last_success_at, was_behind AS behind,
            CASE WHEN previous_until > now() THEN previous_sealed END AS previous_sealed`;

const ENQUEUE = `
  WITH mine AS (
    UPDATE webhooks SET seq = $3, behind = behind OR $4 WHERE id = $1 AND leased_by = $2 RETURNING id
  )
  INSERT INTO webhook_deliveries (id, webhook_id, seq, type, task_id, order_key)
  SELECT event.id, mine.id, event.seq, type, task_id, order_key
    FROM mine, json_to_recordset($5::json) AS event(id uuid, seq bigint, type text, task_id uuid, order_key uuid)
  ON CONFLICT DO NOTHING`;

/** Pending deliveries before which none with the same key is pending. */
const HEADS = `
  SELECT DISTINCT ON (order_key) id, seq, tries, first_tried_at, next_at FROM webhook_deliveries
   WHERE webhook_id = $1 AND state = 'pending' ORDER BY order_key, seq`;

const DUE = `
  SELECT id, seq, tries, first_tried_at, next_at::text AS due_at FROM (${HEADS}) AS heads
   WHERE next_at <= now() ORDER BY next_at LIMIT $2`;

/** A delivery that was replayed while its request was under way keeps the attempt, and is sent again. */
const RECORD = `
  UPDATE webhook_deliveries
     SET attempts = CASE WHEN jsonb_array_length(attempts) >= ${KEPT_ATTEMPTS} THEN attempts - 0 ELSE attempts END || $2::jsonb,
         tries = tries + (next_at::text = $5)::int,
         first_tried_at = CASE WHEN next_at::text = $5 THEN coalesce(first_tried_at, now()) ELSE first_tried_at END,
         state = CASE WHEN next_at::text = $5 THEN $3::text ELSE state END,
         next_at = CASE WHEN next_at::text = $5 THEN now() + coalesce($4::float8, 0) * interval '1 millisecond' ELSE next_at END,
         ended_at = CASE WHEN next_at::text = $5 AND $3::text <> 'pending' THEN now() END
   WHERE id = $1 AND state = 'pending'`;

const TRIM = `
  DELETE FROM webhook_deliveries
   WHERE webhook_id = $1 AND state <> 'pending'
     AND id < (SELECT id FROM webhook_deliveries WHERE webhook_id = $1 AND state <> 'pending' ORDER BY id DESC OFFSET $2 LIMIT 1)`;

/** Work that came since the claim has set `due_at`: that stays, whatever this statement saw of it. */
const RELEASE = `
  WITH pending AS (SELECT min(next_at) AS at FROM (${HEADS}) AS heads),
  room AS (
    SELECT count(*) < $3 AS there FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'pending'
  )
  UPDATE webhooks
     SET leased_by = NULL, lease_until = NULL,
         due_at = least(due_at, CASE WHEN behind AND there THEN greatest(now(), throttled_until)
                                     WHEN at IS NOT NULL THEN greatest(at, throttled_until) END)
    FROM pending, room
   WHERE id = $1 AND leased_by = $2`;
