import { randomUUID } from 'node:crypto';
import type { Sql } from '../../src/database/index.js';

/** Grants a user credits, as an admin would. */
export const fund = (sql: Sql, userId: string, amountMicro: bigint): Promise<unknown> =>
  sql.query('fund', FUND, [userId, amountMicro.toString(), randomUUID()]);

const FUND = `
  WITH granted AS (
    INSERT INTO ledger_transfers (kind, debit_account, credit_account, credit_user, amount_micro, cause)
    VALUES ('grant', 'issued', 'available', $1, $2, $3)
  )
  UPDATE ledger_balances SET available_micro = available_micro + $2 WHERE user_id = $1`;
