import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment, QueueConfig } from '../config/index.js';
import { Sql } from '../database/index.js';
import { type QueueEntry, TASK_PRIORITIES, type TaskPriority } from '../queue/index.js';

/**
 * The order of those that wait, as far as it is decided in the table.
 *
 * - *window*: a user has no more than so many tasks in the queue and with workers. Further ones are *held*: they wait in
 *   the table, so that they stand in nobody's way, and are let in as the user's earlier ones end, by priority and age.
 * - *ageing*: a waiting task rises one level of priority each time it has waited for another step, so that a stream of
 *   higher ones cannot starve it: once it is critical, only older critical ones go first.
 *
 * Both statements skip rows that a transition has locked, so that they wait for nobody while they hold locks.
 */
@Injectable()
export class WaitingLine {
  private readonly config: QueueConfig;

  constructor(
    private readonly sql: Sql,
    config: ConfigService<Environment, true>,
  ) {
    this.config = config.get('queue', { infer: true });
  }

  /**
   * Lets held tasks in where their users have room; one process at a time.
   * @returns their entries, to be added to the queue in this order
   */
  async admit(): Promise<QueueEntry[]> {
    const { userWindow, ageStepMs } = this.config;
    return toEntries(await this.sql.query<Row>('task-admit', ADMIT, [userWindow, ageStepMs]));
  }

  /** @returns entries that have risen, to be moved in the queue in this order */
  async age(limit: number): Promise<QueueEntry[]> {
    return toEntries(await this.sql.query<Row>('task-age', AGE, [this.config.ageStepMs, limit]));
  }
}

/** The priority that a task of age has in the queue. */
export const risen = (priority: TaskPriority, levels: number): TaskPriority =>
  TASK_PRIORITIES[Math.min(TASK_PRIORITIES.indexOf(priority) + levels, TASK_PRIORITIES.length - 1)];

interface Row {
  id: string;
  priority: TaskPriority;
  aged: number;
}

const toEntries = (rows: Row[]): QueueEntry[] =>
  rows
    // Ids are in the order of submission.
    .toSorted((one, other) => (one.id < other.id ? -1 : 1))
    .map(({ id, priority, aged }) => ({ taskId: id, priority: risen(priority, aged) }));

const IS_DUE = '(run_at IS NULL OR run_at <= now())';
/** How many levels there are above its own. */
const LEVELS_ABOVE = `(array_position(ARRAY['critical', 'high', 'normal', 'low'], priority::text) - 1)`;
const levelsRisen = (step: string): string =>
  `least(${LEVELS_ABOVE}, floor(extract(epoch FROM now() - greatest(created_at, run_at)) * 1000 / ${step}))::int`;

/** Per user and priority the oldest held ones come by the index, no more of them than there is room. */
const ADMIT = `
  WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(7305449120) AS mine),
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

const AGE = `
  WITH due AS MATERIALIZED (
    SELECT id
      FROM tasks
     WHERE status = 'queued' AND NOT held AND ${IS_DUE} AND aged < ${levelsRisen('$1::float8')}
     ORDER BY id
     LIMIT $2
       FOR UPDATE SKIP LOCKED
  )
  UPDATE tasks SET aged = ${levelsRisen('$1::float8')} FROM due WHERE tasks.id = due.id RETURNING tasks.id, priority, aged`;
