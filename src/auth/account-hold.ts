import type { EntityManager } from 'typeorm';
import { accountGone } from './caller.js';

/**
 * Lets what a user adds come one after the other until the transaction ends, so that it can be counted exactly. To be called before
 * any other row is held: whoever suspends the user takes them in this order.
 * @throws AppError `unauthorised` `ACCOUNT_GONE`
 */
export async function holdAccount(transaction: EntityManager, userId: string): Promise<void> {
  const rows = await transaction.query('SELECT FROM users WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE', [
    userId,
  ]);
  if (rows.length === 0) throw accountGone();
}
