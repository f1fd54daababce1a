import { Injectable, Logger } from '@nestjs/common';
import { Recurring } from '../common/recurring.js';
import { QueueConfig } from '../config/index.js';
import { LOCKS, Sql } from '../database/index.js';
import { outageLog } from '../observability/index.js';
import { Enqueuer } from './enqueuer.js';
import { IS_DUE, LEVELS_ABOVE, levelsRisen, toEntries, type WaitingRow } from './levels.js';

/** Pause between two looks: short after one that released tasks, then longer each time, ms. */
const SHORTEST_MS = 100;
const LONGEST_MS = 1000;

/**
 * Fair share: each user has at most `QUEUE_USER_WINDOW` tasks in the queue and with workers. Further tasks are throttled:
 * they wait in the table (column `held`) and are released by priority and age as the user's earlier tasks end.
 */
@Injectable()
export class FairShare {
  private readonly recurring = new Recurring(
    () => this.release(),
    LONGEST_MS,
    outageLog(new Logger('FairShare'), 'throttled tasks wait'),
  );
  private pauseMs = LONGEST_MS;

  constructor(
    private readonly sql: Sql,
    private readonly enqueuer: Enqueuer,
    private readonly config: QueueConfig,
  ) {}

  start(): void {
    this.recurring.start();
  }

  stop(): Promise<void> {
    return this.recurring.stop();
  }

  /** Releases throttled tasks of users with room; one process at a time. @returns the pause before the next look, ms */
  private async release(): Promise<number> {
    const { userWindow, ageStepMs } = this.config;
    const released = await this.sql.query<WaitingRow>('task-admit', RELEASE, [userWindow, ageStepMs]);
    for (const entry of toEntries(released)) this.enqueuer.add(entry);
    this.pauseMs = released.length > 0 ? SHORTEST_MS : Math.min(this.pauseMs * 2, LONGEST_MS);
    return this.pauseMs;
  }
}

/**
 * For each user and priority, an index gives the oldest throttled tasks, no more than the user has room for. Rows that a
 * transition has locked are skipped, so that this statement never waits while it holds locks.
 */
const RELEASE = `
  WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(${LOCKS.fairShare}) AS mine),
  holder AS MATERIALIZED (
    SELECT DISTINCT user_id FROM turn, tasks WHERE mine AND held AND status = 'queued' AND ${IS_DUE}
  ),
  inside AS MATERIALIZED (
    SELECT user_id, count(*)::int AS count
      FROM tasks
     WHERE EXISTS (SELECT FROM holder) AND status IN ('queued', 'assigned', 'running') AND NOT held AND ${IS_DUE}
     GROUP BY user_id
  ),
  room AS MATERIALIZED (
    SELECT user_id, greatest(0, $1::int - coalesce(count, 0)) AS places FROM holder LEFT JOIN inside USING (user_id)
  ),
  next AS MATERIALIZED (
    SELECT chosen.id
      FROM room
     CROSS JOIN LATERAL (
       SELECT oldest.id
         FROM (VALUES ('critical'), ('high'), ('normal'), ('low')) AS level(name)
        CROSS JOIN LATERAL (
          SELECT id, ${LEVELS_ABOVE} - ${levelsRisen('$2::float8')} AS below
            FROM tasks
           WHERE user_id = room.user_id AND priority = level.name AND held AND status = 'queued' AND ${IS_DUE}
           ORDER BY id
           LIMIT room.places
        ) AS oldest
        ORDER BY oldest.below, oldest.id
        LIMIT room.places
     ) AS chosen
  ),
  locked AS MATERIALIZED (
    SELECT id FROM tasks WHERE id IN (SELECT id FROM next) AND held AND status = 'queued' FOR UPDATE SKIP LOCKED
  )
  UPDATE tasks
     SET held = false, aged = ${levelsRisen('$2::float8')}
    FROM locked
   WHERE tasks.id = locked.id
  RETURNING tasks.id, priority, aged`;
