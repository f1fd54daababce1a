import { Injectable } from '@nestjs/common';
import { LedgerConfig } from '../config/index.js';
import { Sql } from '../database/index.js';

/** What an account has, micro-credits. */
export interface Balance {
  /** May be spent and withdrawn. */
  availableMicro: bigint;
  /** Reserved for unfinished tasks and requested payouts. */
  heldMicro: bigint;
  /** Earned, and neither spendable nor withdrawable yet: too new, or disputed. */
  pendingMicro: bigint;
}

/**
 * Balances of users. Earnings are only appended as transfers, so settlements for one owner never wait for its row. Folding
 * adds those that are older than `PAYOUT_DELAY_DAYS` to the row later.
 */
@Injectable()
export class Ledger {
  constructor(
    private readonly sql: Sql,
    private readonly config: LedgerConfig,
  ) {}

  async balanceOf(userId: string): Promise<Balance> {
    const [row] = await this.sql.query<BalanceRow>('ledger-balance', BALANCE, [userId, this.config.payoutDelayMs]);
    return {
      availableMicro: BigInt(row?.available ?? 0),
      heldMicro: BigInt(row?.held ?? 0),
      pendingMicro: BigInt(row?.pending ?? 0),
    };
  }

  /**
   * Repeats `pay` once if it was refused for lack of credits and earnings had become available meanwhile.
   * @param isUnpaid whether an outcome of `pay` is that refusal
   */
  async paying<T>(userId: string, pay: () => Promise<T>, isUnpaid: (outcome: T) => boolean): Promise<T> {
    const outcome = await pay();
    return isUnpaid(outcome) && (await this.fold(userId)) ? pay() : outcome;
  }

  /** Adds earnings that have become available to the balance. @returns whether there were any */
  async fold(userId: string): Promise<boolean> {
    for (let folded = false; ; folded = true) {
      const rows = await this.sql.query('ledger-fold', FOLD, [userId, this.config.payoutDelayMs]);
      if (rows.length === 0) return folded;
    }
  }

  /** Folds for up to `limit` owners. @returns how many there were */
  async foldAll(limit: number): Promise<number> {
    const rows = await this.sql.query<{ user_id: string }>('ledger-to-fold', TO_FOLD, [
      this.config.payoutDelayMs,
      limit,
    ]);
    for (const { user_id: userId } of rows) await this.fold(userId);
    return rows.length;
  }
}

interface BalanceRow {
  available: string;
  held: string;
  pending: string;
}

/** Earnings that folding looks at in one statement, so that none takes long. */
const MOST_FOLDED = 10_000;

/** Whether a transfer `t` is an earning of a balance `b` that is not part of its row yet. */
const UNFOLDED = `t.credit_user = b.user_id AND t.kind = 'post' AND t.id > b.folded_id`;
const UNDISPUTED = `NOT EXISTS (SELECT FROM ledger_disputes d WHERE d.post_id = t.id AND d.status <> 'rejected')`;
const isRipe = (delayMs: string): string => `t.at <= now() - ${delayMs}::float8 * interval '1 millisecond'`;

const BALANCE = `
  SELECT b.available_micro + coalesce(sum(t.amount_micro) FILTER (WHERE ${isRipe('$2')}), 0) AS available,
         b.held_micro AS held,
         coalesce(sum(t.amount_micro) FILTER (WHERE NOT ${isRipe('$2')}), 0)
           + coalesce((SELECT sum(owner_micro) FROM ledger_disputes WHERE owner_id = $1 AND status = 'open'), 0) AS pending
    FROM ledger_balances b
    LEFT JOIN ledger_transfers t ON ${UNFOLDED} AND ${UNDISPUTED}
   WHERE b.user_id = $1
   GROUP BY b.user_id`;

/**
 * Reads without a lock, then changes the row only if no other folding and no dispute came between. Transfers get their ids in
 * the order of commits, since settlements take the feed's lock first: an unseen earning has a greater id than a seen one.
 */
const FOLD = `
  WITH ripe AS MATERIALIZED (
    SELECT b.user_id, b.folded_id, b.dispute_changes, due.up_to,
           (SELECT coalesce(sum(amount_micro), 0) FROM ledger_transfers t
             WHERE ${UNFOLDED} AND t.id <= due.up_to AND ${UNDISPUTED}) AS amount
      FROM ledger_balances b,
           LATERAL (
             SELECT max(id) FILTER (WHERE ${isRipe('$2')}) AS up_to
               FROM (SELECT id, at FROM ledger_transfers t WHERE ${UNFOLDED} ORDER BY id LIMIT ${MOST_FOLDED}) AS t
           ) AS due
     WHERE b.user_id = $1 AND due.up_to IS NOT NULL
  )
  UPDATE ledger_balances b
     SET available_micro = available_micro + ripe.amount, folded_id = ripe.up_to
    FROM ripe
   WHERE b.user_id = ripe.user_id AND b.folded_id = ripe.folded_id AND b.dispute_changes = ripe.dispute_changes
  RETURNING b.user_id`;

const TO_FOLD = `
  SELECT user_id
    FROM ledger_balances b
   WHERE EXISTS (SELECT FROM ledger_transfers t WHERE ${UNFOLDED} AND ${isRipe('$1')})
   LIMIT $2`;
