import type { EntityManager } from 'typeorm';
import { accountGone } from './caller.js';

/**
 * Serialises additions of one user until the transaction ends, so that they can be counted exactly. Call it before any
 * other row is locked: suspending a user takes locks in this order.
 * @throws AppError `unauthorised` `ACCOUNT_GONE`
 */
export async function holdAccount(transaction: EntityManager, userId: string): Promise<void> {
  const rows = await transaction.query('SELECT FROM users WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE', [
    userId,
  ]);
  if (rows.length === 0) throw accountGone();
}
