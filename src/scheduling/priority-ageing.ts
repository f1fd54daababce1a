import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { QueueConfig } from '../config/index.js';
import { inOneProcess, Sql } from '../database/index.js';
import type { QueueEntry } from '../queue/index.js';
import { IS_DUE, levelsRisen, toEntries, type WaitingRow } from './levels.js';

/**
 * Priority ageing: a waiting task rises by one level of priority each time it has waited for `QUEUE_AGE_STEP_MS`. So a
 * stream of more urgent tasks cannot starve it: once it is critical, only older critical tasks go first.
 */
@Injectable()
export class PriorityAgeing {
  constructor(
    private readonly sql: Sql,
    private readonly database: DataSource,
    private readonly config: QueueConfig,
  ) {}

  /**
   * Raises up to `limit` tasks whose time to rise has come; one process at a time. The rise is written after the move, so
   * that a move that fails is tried again.
   * @param move moves entries in the queue, in this order; a repetition does no harm
   * @returns how many tasks rose
   */
  async age(limit: number, move: (entries: QueueEntry[]) => Promise<void>): Promise<number> {
    const risen = await inOneProcess(this.database, 'priorityAgeing', async () => {
      const due = await this.sql.query<WaitingRow>('task-due-to-rise', DUE_TO_RISE, [this.config.ageStepMs, limit]);
      if (due.length === 0) return 0;
      await move(toEntries(due));
      await this.sql.query('task-rise', RISE, [due.map(({ id }) => id), due.map(({ aged }) => aged)]);
      return due.length;
    });
    return risen ?? 0;
  }
}

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
