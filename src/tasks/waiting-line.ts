import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { DataSource } from 'typeorm';
import type { Environment, QueueConfig } from '../config/index.js';
import { inOneProcess, Sql } from '../database/index.js';
import { type QueueEntry, TASK_PRIORITIES, type TaskPriority } from '../queue/index.js';

/**
 * The order of those that wait, as far as it is decided in the table.
 *
 * - *window*: a user has no more than so many tasks in the queue and with workers. Further ones are *held*: they wait in
 *   the table, so that they stand in nobody's way, and are let in as the user's earlier ones end, by priority and age.
 * - *ageing*: a waiting task rises one level of priority each time it has waited for another step, so that a stream of
 *   higher ones cannot starve it: once it is critical, only older critical ones go first.
 *
 * What writes skips rows that a transition has locked, so that it waits for nobody while it holds locks.
 */
@Injectable()
export class WaitingLine {
  private readonly config: QueueConfig;

  constructor(
    private readonly sql: Sql,
    private readonly database: DataSource,
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

  /**
   * Lets up to `limit` waiting tasks rise whose time for it has come; one process at a time. That they have risen is written once they
   * are moved: if they cannot be, it is still to be done.
   * @param move moves entries in the queue, in this order; once more does no harm
   * @returns how many
   */
  async age(limit: number, move: (entries: QueueEntry[]) => Promise<void>): Promise<number> {
    const risen = await inOneProcess(this.database, AGEING_LOCK, async () => {
      const due = await this.sql.query<Row>('task-due-to-rise', DUE_TO_RISE, [this.config.ageStepMs, limit]);
      if (due.length === 0) return 0;
      await move(toEntries(due));
      await this.sql.query('task-rise', RISE, [due.map(({ id }) => id), due.map(({ aged }) => aged)]);
      return due.length;
    });
    return risen ?? 0;
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
/** Since when a task could have been taken up. */
export const WAITS_SINCE = 'greatest(tasks.created_at, run_at, retried_at)';
/** How many levels there are above its own. */
const LEVELS_ABOVE = `(array_position(ARRAY['critical', 'high', 'normal', 'low'], priority::text) - 1)`;
const levelsRisen = (step: string): string =>
  `least(${LEVELS_ABOVE}, floor(extract(epoch FROM now() - ${WAITS_SINCE}) * 1000 / ${step}))::int`;

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

const AGEING_LOCK = 7305449122;

const DUE_TO_RISE = `
  SELECT id, priority, ${levelsRisen('$1::float8')} AS aged
    FROM tasks
   WHERE status = 'queued' AND NOT held AND ${IS_DUE} AND aged < ${levelsRisen('$1::float8')}
   ORDER BY id
   LIMIT $2`;

const RISE = `
  WITH moved AS MATERIALIZED (
    SELECT id, risen.aged
      FROM unnest($1::uuid[], $2::int[]) AS risen(id, aged)
      JOIN tasks USING (id)
     WHERE status = 'queued' AND tasks.aged < risen.aged
       FOR UPDATE OF tasks SKIP LOCKED
  )
  UPDATE tasks SET aged = moved.aged FROM moved WHERE tasks.id = moved.id`;
