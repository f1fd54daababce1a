import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AccountsService } from '../auth/index.js';
import { LedgerConfig } from '../config/index.js';
import { underFeedLock } from '../feed/index.js';

/** Accounts that one statement grants. */
const BATCH = 1000;

/**
 * Gives each account `SIGNUP_CREDITS` once: a new one in the transaction that opens it, others at the start. Others are
 * accounts of a release without a ledger, and those that an operator's command opened.
 */
@Injectable()
export class OpeningGrants implements OnApplicationBootstrap {
  constructor(
    private readonly database: DataSource,
    private readonly config: LedgerConfig,
    accounts: AccountsService,
  ) {
    accounts.whenOpened((transaction, userId) => this.grant(transaction, userId));
  }

  async onApplicationBootstrap(): Promise<void> {
    while ((await this.grantDue()) === BATCH);
  }

  private async grant(transaction: EntityManager, userId: string): Promise<void> {
    await transaction.query(grantTo('user_id = $2'), [this.config.signupMicro.toString(), userId]);
  }

  private grantDue(): Promise<number> {
    // Many balances are locked: see `hold-sql.ts`.
    return underFeedLock(this.database, async (transaction) => {
      const rows = await transaction.query<{ count: number }[]>(
        grantTo(`user_id IN (SELECT user_id FROM ledger_balances JOIN users ON users.id = user_id
                              WHERE NOT opened AND deleted_at IS NULL LIMIT $2)`),
        [this.config.signupMicro.toString(), BATCH],
      );
      return rows[0].count;
    });
  }
}

const grantTo = (condition: string): string => `
  WITH due AS (
    UPDATE ledger_balances SET opened = true, available_micro = available_micro + $1::bigint
     WHERE NOT opened AND ${condition}
    RETURNING user_id
  ),
  granted AS (
    INSERT INTO ledger_transfers (kind, debit_account, credit_account, credit_user, amount_micro, cause)
    SELECT 'signup', 'issued', 'available', user_id, $1::bigint, user_id FROM due WHERE $1::bigint > 0
  )
  SELECT count(*)::int AS count FROM due`;
