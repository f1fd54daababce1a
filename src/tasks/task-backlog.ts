import { Injectable } from '@nestjs/common';
import { firstIdAt } from '../common/ids.js';
import { Sql } from '../database/index.js';
import type { TaskPriority } from '../queue/index.js';
import { UNFINISHED_STATES } from './task-state.js';
import { IS_DUE, WAITS_SINCE } from './waiting.js';

/**
 * Waiting tasks, and failed tasks that can be retried: what admission control, metrics and admins ask about all tasks
 * at once.
 */
@Injectable()
export class TaskBacklog {
  constructor(private readonly sql: Sql) {}

  /** What each user has that has not ended. @param except ids of tasks that are left out */
  loadByUser(except: readonly string[]): Promise<UserLoad[]> {
    return this.sql.query('task-load', LOAD_BY_USER, [except]);
  }

  /** Tasks that wait and may begin now, by priority. */
  async waiting(): Promise<Record<TaskPriority, Waiting>> {
    const rows = await this.sql.query<Waiting & { priority: TaskPriority }>('task-waiting', WAITING, []);
    const of = (priority: TaskPriority): Waiting => rows.find((row) => row.priority === priority) ?? NONE_WAITS;
    return { critical: of('critical'), high: of('high'), normal: of('normal'), low: of('low') };
  }

  /** Ids of the oldest waiting tasks. @param userId unset: tasks of all users */
  async queued(limit: number, userId?: string): Promise<string[]> {
    const rows = await this.sql.query<{ id: string }>('task-queued', QUEUED, [userId ?? null, limit]);
    return rows.map(({ id }) => id);
  }

  /**
   * Tasks in each of the two lines: those without a start of their own, and those submitted with one. `later`: those of
   * them that may not begin yet.
   */
  async countLines(): Promise<{ waiting: number; delayed: number; later: number }> {
    const [row] = await this.sql.query<Awaited<ReturnType<typeof this.countLines>>>(
      'task-count-lines',
      COUNT_LINES,
      [],
    );
    return row;
  }

  /** @param userId as `queued` */
  async countQueued(userId?: string): Promise<number> {
    const [{ count }] = await this.sql.query<{ count: number }>('task-count-queued', COUNT_QUEUED, [userId ?? null]);
    return count;
  }

  /** Ids of the oldest failed tasks that can be retried. */
  async failed(limit: number, filter: FailedFilter): Promise<string[]> {
    const rows = await this.sql.query<{ id: string }>('task-failed', FAILED, [...failedParameters(filter), limit]);
    return rows.map(({ id }) => id);
  }

  async countFailed(filter: FailedFilter): Promise<number> {
    const [{ count }] = await this.sql.query<{ count: number }>(
      'task-count-failed',
      COUNT_FAILED,
      failedParameters(filter),
    );
    return count;
  }
}

export interface FailedFilter {
  /** Submitted at this time or later. */
  since: Date;
  /** Failed before this time. */
  until: Date;
  errorCode?: string;
  userId?: string;
}

/** Numbers of tasks of one user. */
export interface UserLoad {
  user_id: string;
  /** Waiting, without a start of their own. */
  waiting: number;
  /** Waiting, submitted with a start of their own, even when it has passed. */
  delayed: number;
  /** Due, in the queue without having waited for a turn, or with a worker. A task whose agent waits for an answer needs no slot. */
  admitted: number;
  /** Due, and waiting for their turn. */
  throttled: number;
}

/** Waiting tasks of one priority that may begin now. */
export interface Waiting {
  count: number;
  /** How many of them wait for their turn, or had it and were not awarded since. */
  throttled: number;
  /** How long the oldest has waited; null when none waits. */
  oldest_ms: number | null;
}

const NONE_WAITS: Waiting = { count: 0, throttled: 0, oldest_ms: null };

const LOAD_BY_USER = `
  SELECT user_id,
         (count(*) FILTER (WHERE status = 'queued' AND run_at IS NULL))::int AS waiting,
         (count(*) FILTER (WHERE status = 'queued' AND run_at IS NOT NULL))::int AS delayed,
         (count(*) FILTER (WHERE NOT throttled AND parked_at IS NULL AND ${IS_DUE}))::int AS admitted,
         (count(*) FILTER (WHERE throttled AND status = 'queued' AND ${IS_DUE}))::int AS throttled
    FROM tasks
   WHERE status IN ${UNFINISHED_STATES} AND id NOT IN (SELECT unnest($1::uuid[]))
   GROUP BY user_id`;

const WAITING = `
  SELECT priority,
         count(*)::int AS count,
         (count(*) FILTER (WHERE throttled))::int AS throttled,
         (extract(epoch FROM now() - min(${WAITS_SINCE})) * 1000)::float8 AS oldest_ms
    FROM tasks
   WHERE status = 'queued' AND ${IS_DUE}
   GROUP BY priority`;

const QUEUED = `
  SELECT id FROM tasks WHERE status = 'queued' AND ($1::uuid IS NULL OR user_id = $1) ORDER BY id LIMIT $2`;

const COUNT_LINES = `
  SELECT (count(*) FILTER (WHERE run_at IS NULL))::int AS waiting,
         (count(*) FILTER (WHERE run_at IS NOT NULL))::int AS delayed,
         (count(*) FILTER (WHERE run_at > now()))::int AS later
    FROM tasks
   WHERE status = 'queued'`;

const COUNT_QUEUED = `
  SELECT count(*)::int AS count FROM tasks WHERE status = 'queued' AND ($1::uuid IS NULL OR user_id = $1)`;

/** Ids begin with the time of the submission, so the time is a range of the primary key. */
const FAILED_TASKS = `
    FROM tasks
   WHERE id >= $1 AND status = 'failed' AND completed_at < $2
     AND (deadline IS NULL OR deadline > now())
     AND NOT EXISTS (SELECT FROM tasks AS retry WHERE retry.retry_of = tasks.id)
     AND ($3::text IS NULL OR error->>'code' = $3)
     AND ($4::uuid IS NULL OR user_id = $4)`;

const FAILED = `SELECT id ${FAILED_TASKS} ORDER BY id LIMIT $5`;

const COUNT_FAILED = `SELECT count(*)::int AS count ${FAILED_TASKS}`;

const failedParameters = ({ since, until, errorCode, userId }: FailedFilter): unknown[] => [
  firstIdAt(since.getTime()),
  until,
  errorCode ?? null,
  userId ?? null,
];
