import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { RawJson } from '../common/raw-json.js';
import { sampledTraceparent } from '../common/work-context.js';
import { MicroBatcher, Sql } from '../database/index.js';
import { outageLog } from '../observability/index.js';
import {
  EVENT_STREAM,
  type EventStream,
  type FeedNotice,
  type FeedSignal,
  MAX_SIGNALS,
  type SilentSignal,
} from './event-stream.js';
import type { FeedEvent, NewFeedEvent } from './feed-event.js';

/**
 * The feed: an append-only table that WebSocket, SSE, a task's history and the statistics all read by `seq`.
 *
 * `seq` follows the order of commits. A trigger takes one advisory lock per writing transaction before it draws the
 * first number. So a reader that has seen N never finds a smaller new number later. Without the lock, "everything after
 * N" would miss events whose transaction drew its number early and committed late. Batched writers make the lock cheap:
 * they take it once per flush, and the commits it serialises are few.
 *
 * Writers append inside their own transaction and announce after its commit, never before.
 */
@Injectable()
export class EventLog {
  private readonly warnOfOutage = outageLog(new Logger('Feed'), 'other processes must poll, notifications do not work');
  private pending: FeedNotice | null = null;
  private announcing = false;
  private readonly posts = new MicroBatcher<NewFeedEvent, number>(
    async (events) => {
      const rows = await this.sql.query<{ seq: string }>('feed-append', APPEND, [toBatch(events)]);
      const seqs = rows.map((row) => Number(row.seq));
      this.announce({ seq: seqs[seqs.length - 1], signals: [] });
      return seqs;
    },
    {
      maxItems: 200,
      maxBytes: 4 * 1024 * 1024,
      bytesOf: (event) => JSON.stringify(event.data).length,
    },
  );

  constructor(
    private readonly sql: Sql,
    @Inject(EVENT_STREAM) private readonly stream: EventStream,
  ) {}

  /** Appends events in the caller's transaction. Pass the result to `announce` after the commit. */
  async append(transaction: EntityManager, events: NewFeedEvent[]): Promise<FeedNotice> {
    const rows: { seq: string }[] = await transaction.query(APPEND, [toBatch(events.map(withTrace))]);
    const signals = events.map((event) => ({ type: event.type, id: subjectOf(event) }));
    return { seq: Number(rows[rows.length - 1].seq), signals };
  }

  /**
   * Records an event outside any transaction; concurrent ones share a statement. Resolves after the commit.
   * @returns its place in the feed
   */
  post(event: NewFeedEvent): Promise<number> {
    return this.posts.add(withTrace(event));
  }

  /** Notifies the other processes. Returns at once. If a notification fails, the readers' polling makes up for it. */
  announce(notice: FeedNotice): void {
    this.pending = {
      seq: Math.max(notice.seq, this.pending?.seq ?? 0),
      signals: [...(this.pending?.signals ?? []), ...notice.signals],
    };
    if (!this.announcing) void this.publishPending();
  }

  /** Sends every process a notice that is not in the feed. */
  signal(type: SilentSignal, id: string): void {
    this.announce({ seq: 0, signals: [{ type, id }] });
  }

  /** The `seq` of the last event. */
  async lastSeq(): Promise<number> {
    const [row] = await this.sql.query<{ seq: string }>(
      'feed-last',
      'SELECT coalesce(max(seq), 0) AS seq FROM task_events',
      [],
    );
    return Number(row.seq);
  }

  /** How far each projection has followed the feed. */
  async projections(): Promise<{ projection: string; seq: number }[]> {
    const rows = await this.sql.query<{ projection: string; seq: string }>('feed-projections', PROJECTIONS, [DELETED]);
    return rows.map(({ projection, seq }) => ({ projection, seq: Number(seq) }));
  }

  /** `oldest`: from this `seq` on, every event is kept; 1 before any deletion. `last`: the end of the feed. */
  async bounds(): Promise<{ oldest: number; last: number }> {
    const [row] = await this.sql.query<{ oldest: string; last: string }>('feed-bounds', BOUNDS, [DELETED]);
    return { oldest: Number(row.oldest), last: Number(row.last) };
  }

  /**
   * Deletes up to `limit` of the oldest events, if they are older than `ageMs` and every projection has seen them. The
   * newest event always stays, so that the end of the feed is known.
   * @returns how many
   */
  async deleteOld(ageMs: number, limit: number): Promise<number> {
    const [row] = await this.sql.query<{ count: number }>('feed-delete', DELETE_OLD, [ageMs, limit, DELETED]);
    return row.count;
  }

  /**
   * Deletes up to `limit` events of these users that every projection has seen, except the newest event of all.
   * @returns how many
   */
  async deleteOf(userIds: string[], limit: number): Promise<number> {
    const [row] = await this.sql.query<{ count: number }>('feed-delete-of', DELETE_OF, [userIds, limit, DELETED]);
    return row.count;
  }

  /** All events after `seq`, oldest first. */
  async readAfter(seq: number, limit: number): Promise<FeedEvent[]> {
    return toEvents(
      await this.sql.query<Row>('feed-after', `${SELECT} WHERE seq > $1 ORDER BY seq LIMIT $2`, [seq, limit]),
    );
  }

  /** A task's events after `seq`, oldest first. */
  async readTask(taskId: string, seq: number, limit: number): Promise<FeedEvent[]> {
    const where = 'WHERE task_id = $1 AND seq > $2 ORDER BY seq LIMIT $3';
    return toEvents(await this.sql.query<Row>('feed-task', `${SELECT} ${where}`, [taskId, seq, limit]));
  }

  /**
   * A user's events after `seq`, oldest first: own tasks, own agents, other users' tasks that own agents work on, and
   * announcements.
   */
  async readUser(userId: string, seq: number, limit: number): Promise<FeedEvent[]> {
    return toEvents(await this.sql.query<Row>('feed-user', OF_USER, [userId, seq, limit]));
  }

  /**
   * A user's events after `seq`, oldest first, each with the members of its data that decide who may see it. Cheap, however
   * large the events are.
   */
  async readUserHeads(userId: string, seq: number, limit: number): Promise<FeedEvent[]> {
    return toEvents(await this.sql.query<Row>('feed-user-heads', HEADS_OF_USER, [userId, seq, limit]));
  }

  /** @returns undefined if it was deleted */
  async readOne(seq: number): Promise<FeedEvent | undefined> {
    return toEvents(await this.sql.query<Row>('feed-one', `${SELECT} WHERE seq = $1`, [seq]))[0];
  }

  /** Events about an agent after `seq` (its versions, and the tasks it works on), oldest first. */
  async readAgent(agentId: string, seq: number, limit: number): Promise<FeedEvent[]> {
    const where = 'WHERE agent_id = $1 AND seq > $2 ORDER BY seq LIMIT $3';
    return toEvents(await this.sql.query<Row>('feed-agent', `${SELECT} ${where}`, [agentId, seq, limit]));
  }

  /** Publishes one notification at a time; announcements made meanwhile share the next. */
  private async publishPending(): Promise<void> {
    this.announcing = true;
    while (this.pending) {
      const { seq, signals } = this.pending;
      this.pending = null;
      for (const chunk of chunks(signals)) {
        await this.stream.publish({ seq, signals: chunk }).catch(this.warnOfOutage);
      }
    }
    this.announcing = false;
  }
}

/** The row of `feed_cursors` up to which events have been deleted; the other rows are of projections. */
const DELETED = 'deleted';

const PROJECTIONS = 'SELECT projection, seq FROM feed_cursors WHERE projection <> $1';

const BOUNDS = `
  SELECT coalesce((SELECT seq FROM feed_cursors WHERE projection = $1), 0) + 1 AS oldest,
         coalesce((SELECT max(seq) FROM task_events), 0) AS last`;

/** Stops at the first event that must be kept, so that the rest has no hole. */
const DELETE_OLD = `
  WITH oldest AS MATERIALIZED (SELECT seq, at FROM task_events ORDER BY seq LIMIT $2),
  gone AS (
    DELETE FROM task_events
     WHERE seq IN (SELECT seq FROM oldest)
       AND seq < ALL (SELECT seq FROM oldest WHERE at >= now() - $1::float8 * interval '1 millisecond')
       AND seq <= (SELECT min(seq) FROM feed_cursors WHERE projection <> $3)
       AND seq < (SELECT max(seq) FROM task_events)
    RETURNING seq
  ),
  mark AS (
    INSERT INTO feed_cursors (projection, seq) SELECT $3, max(seq) FROM gone HAVING count(*) > 0
    ON CONFLICT (projection) DO UPDATE SET seq = excluded.seq
  )
  SELECT count(*)::int AS count FROM gone`;

const DELETE_OF = `
  WITH gone AS (
    DELETE FROM task_events
     WHERE seq IN (
       SELECT seq FROM task_events
        WHERE user_id = ANY ($1::uuid[])
          AND seq <= (SELECT min(seq) FROM feed_cursors WHERE projection <> $3)
          AND seq < (SELECT max(seq) FROM task_events)
        LIMIT $2
     )
    RETURNING seq
  )
  SELECT count(*)::int AS count FROM gone`;

const SELECT = `
  SELECT seq, type, task_id, user_id, agent_owner_id, data, result::text AS result, at, traceparent FROM task_events`;

/** Each part follows its own index and stops at the limit. */
const ofUser = (select: string): string => `
  (${select} WHERE user_id = $1 AND seq > $2 ORDER BY seq LIMIT $3)
   UNION ALL
  (${select} WHERE agent_owner_id = $1 AND agent_owner_id <> user_id AND seq > $2 ORDER BY seq LIMIT $3)
   UNION ALL
  (${select} WHERE type = 'system.announcement' AND seq > $2 ORDER BY seq LIMIT $3)
   ORDER BY seq LIMIT $3`;

const OF_USER = ofUser(SELECT);

const HEADS_OF_USER = ofUser(`
  SELECT seq, type, task_id, user_id, agent_owner_id,
         -- SQL cannot read \`data\`, which may hold \\u0000.
         json_build_object(
           'agent_id', agent_id, 'share_logs', (SELECT share_logs FROM tasks WHERE tasks.id = task_id)
         ) AS data,
         NULL::text AS result, at, traceparent
    FROM task_events`);

const APPEND = `
  INSERT INTO task_events (type, task_id, user_id, agent_owner_id, agent_id, data, traceparent)
  SELECT type, task_id, user_id, agent_owner_id, agent_id, data::json, traceparent
    FROM json_to_recordset($1::json)
      AS event(type text, task_id uuid, user_id uuid, agent_owner_id uuid, agent_id uuid, data text,
               traceparent text)
  RETURNING seq`;

/** The caller that records an event knows its place in the trace; the batch writer does not. */
const withTrace = (event: NewFeedEvent): NewFeedEvent => ({ ...event, traceparent: sampledTraceparent() });

/**
 * `data` travels as text. As nested JSON it would be decoded with the batch, where a `\u0000` from one agent fails all
 * events.
 */
const toBatch = (events: NewFeedEvent[]): string =>
  JSON.stringify(
    events.map((event) => ({ ...event, agent_id: agentOf(event.data), data: JSON.stringify(event.data) })),
  );

interface Row extends Omit<FeedEvent, 'seq' | 'at' | 'traceparent'> {
  seq: string;
  at: Date;
  traceparent: string | null;
  result: string | null;
}

const toEvents = (rows: Row[]): FeedEvent[] =>
  rows.map(({ traceparent, result, data, ...row }) => ({
    ...row,
    data: result === null ? data : { ...data, result: new RawJson(result) },
    seq: Number(row.seq),
    at: row.at.toISOString(),
    ...(traceparent && { traceparent }),
  }));

/** The agent that an event is about, from its `data`. An index cannot read `data` safely. */
export const agentOf = ({ agent_id }: Record<string, unknown>): string | null =>
  typeof agent_id === 'string' ? agent_id : null;

const subjectOf = (event: NewFeedEvent): string => event.task_id ?? String(event.data.agent_id ?? '');

function chunks(signals: FeedSignal[]): FeedSignal[][] {
  if (signals.length === 0) return [[]];
  return Array.from({ length: Math.ceil(signals.length / MAX_SIGNALS) }, (_, index) =>
    signals.slice(index * MAX_SIGNALS, (index + 1) * MAX_SIGNALS),
  );
}
