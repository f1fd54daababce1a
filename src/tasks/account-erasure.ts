import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { EventLog } from '../feed/index.js';
import { TaskStore } from './task-store.js';

/** Accounts looked at, and rows deleted, by one statement. */
const ACCOUNTS = 100;
const BATCH = 1000;

/**
 * Deletes what deleted accounts have left: tasks, documents, idempotency keys, spending limits and events. The account's own row is cleared when it is
 * deleted; this takes the time it needs. An account is done with once nothing is left.
 */
@Injectable()
export class AccountErasure {
  constructor(
    private readonly database: DataSource,
    private readonly store: TaskStore,
    private readonly events: EventLog,
  ) {}

  /** @returns how many rows were deleted */
  async run(signal: AbortSignal): Promise<number> {
    const rows = await this.database.query<{ id: string }[]>(
      'SELECT id FROM users WHERE deleted_at IS NOT NULL AND erased_at IS NULL ORDER BY deleted_at LIMIT $1',
      [ACCOUNTS],
    );
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return 0;
    let sum = 0;
    for (let count = -1; count !== 0 && !signal.aborted; sum += count) {
      count = (await this.store.deleteOf(ids, BATCH)) + (await this.events.deleteOf(ids, BATCH));
    }
    for (const table of ['idempotency_keys', 'spending_limits']) {
      await this.database.query(`DELETE FROM ${table} WHERE user_id = ANY ($1::uuid[])`, [ids]);
    }
    // From here on they go as any whose time is over.
    await this.database.query(
      'UPDATE task_documents SET expires_at = now() WHERE user_id = ANY ($1::uuid[]) AND expires_at > now()',
      [ids],
    );
    await this.database.query(DONE, [ids]);
    return sum;
  }
}

const DONE = `
  UPDATE users SET erased_at = now()
   WHERE id = ANY ($1::uuid[])
     AND NOT EXISTS (SELECT FROM tasks WHERE user_id = users.id)
     AND NOT EXISTS (SELECT FROM task_documents WHERE user_id = users.id)
     AND NOT EXISTS (SELECT FROM task_events WHERE user_id = users.id)`;
