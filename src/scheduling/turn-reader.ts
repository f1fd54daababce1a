import { Injectable } from '@nestjs/common';
import { Sql } from '../database/index.js';
import { IS_DUE, LEASED_STATES, type TaskStatus, WAITS_SINCE } from '../tasks/index.js';

/** What the giver of turns reads. It writes nothing: a turn changes no row, and the award of a task ends its wait. */
@Injectable()
export class TurnReader {
  constructor(private readonly sql: Sql) {}

  /**
   * The first tasks of each user that wait for their turn, by priority and age: a task rises by one level of priority
   * each time it has waited for `ageStepMs`.
   * @param except ids of tasks that have had their turn
   * @param most tasks of one user
   */
  waiting(except: string[], { ageStepMs, most }: { ageStepMs: number; most: number }): Promise<WaitingRow[]> {
    return this.sql.query('turn-waiting', WAITING, [except, ageStepMs, most]);
  }

  /** Tasks with a worker, and those of `known` however they stand. */
  progress(known: string[]): Promise<ProgressRow[]> {
    return this.sql.query('turn-progress', PROGRESS, [known]);
  }
}

export interface WaitingRow {
  id: string;
  user_id: string;
  /** Shares of the slots that the user has. */
  weight: number;
  /** Levels of priority that are above the task; 0: it is critical, or has risen so far. */
  below: number;
}

export interface ProgressRow {
  id: string;
  user_id: string;
  /** As in `WaitingRow`. */
  weight: number;
  status: TaskStatus;
  /** Its agent waits for an answer or a sub-task, and takes no slot. */
  parked: boolean;
  /** Time in sandboxes, ms: as metered when an attempt has ended, so far while one runs. Waits for answers do not count. */
  used_ms: number;
}

const LEVELS_ABOVE = `(array_position(ARRAY['critical', 'high', 'normal', 'low'], priority::text) - 1)`;

/** One probe of the index a user, then a few rows for each priority of the user. */
const WAITING = `
  WITH RECURSIVE line AS (
    (SELECT user_id FROM tasks WHERE throttled AND status = 'queued' ORDER BY user_id LIMIT 1)
    UNION ALL
    SELECT (SELECT user_id FROM tasks WHERE throttled AND status = 'queued' AND user_id > line.user_id ORDER BY user_id LIMIT 1)
      FROM line
     WHERE line.user_id IS NOT NULL
  )
  SELECT first.id, line.user_id, users.queue_weight AS weight, first.below
    FROM line
    JOIN users ON users.id = line.user_id
   CROSS JOIN LATERAL (
     SELECT oldest.id, oldest.below
       FROM (VALUES ('critical'), ('high'), ('normal'), ('low')) AS level(name)
      CROSS JOIN LATERAL (
        SELECT id,
               greatest(0, ${LEVELS_ABOVE} - floor(extract(epoch FROM now() - ${WAITS_SINCE}) * 1000 / $2::float8))::int AS below
          FROM tasks
         WHERE user_id = line.user_id AND priority = level.name AND throttled AND status = 'queued' AND ${IS_DUE}
           AND NOT id = ANY ($1::uuid[])
         ORDER BY id
         LIMIT $3
      ) AS oldest
      ORDER BY oldest.below, oldest.id
      LIMIT $3
   ) AS first`;

const USED_MS = `
  SELECT coalesce(sum(CASE
           WHEN ended_at IS NOT NULL THEN coalesce((metering->>'wall_ms')::float8, 0)
           WHEN status IN ('running', 'input_required')
             THEN greatest(0, extract(epoch FROM coalesce(parked_at, clock_timestamp())
                                - greatest(tasks.started_at, task_attempts.started_at)) * 1000 - parked_ms)
         END), 0)::float8 AS used_ms
    FROM task_attempts
   WHERE task_id = tasks.id AND ordinal > forgiven_attempts`;

const PROGRESS = `
  SELECT tasks.id, user_id, users.queue_weight AS weight, status, parked_at IS NOT NULL AS parked, used_ms
    FROM tasks
    JOIN users ON users.id = user_id
   CROSS JOIN LATERAL (${USED_MS}) AS used
   WHERE status IN ${LEASED_STATES}
  UNION ALL
  SELECT tasks.id, user_id, users.queue_weight AS weight, status, parked_at IS NOT NULL AS parked, used_ms
    FROM tasks
    JOIN users ON users.id = user_id
   CROSS JOIN LATERAL (${USED_MS}) AS used
   WHERE tasks.id = ANY ($1::uuid[]) AND status NOT IN ${LEASED_STATES}`;
