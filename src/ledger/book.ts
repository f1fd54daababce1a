import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { EventLog, type NewFeedEvent, underFeedLock } from '../feed/index.js';
import type { TransferKind } from './transfer-kinds.js';

/** One side of a transfer: an account of a user, or one of the market. */
export type Side =
  { account: 'available' | 'held'; userId: string } | { account: 'fees' | 'issued' | 'paid_out'; userId?: undefined };

export interface Movement {
  kind: TransferKind;
  from: Side;
  to: Side;
  amountMicro: bigint;
  /** What causes it: a task and its hold, or the id of a grant, top-up or payout. */
  cause: { id: string } | { taskId: string; holdId: string; agentId: string | null };
  /** The paid earnings are still pending, so the payer's balance does not contain them. */
  fromPending?: boolean;
}

/** An event for one user's own room. */
export interface LedgerEvent {
  type: NewFeedEvent['type'];
  userId: string;
  data: Record<string, unknown>;
}

/** Writes movements of money outside the hot statements: grants, top-ups, payouts, disputes. */
@Injectable()
export class Book {
  constructor(
    private readonly database: DataSource,
    private readonly events: EventLog,
  ) {}

  /** Runs `work` in a transaction that has the feed's lock (see `hold-sql.ts`), and announces its events after the commit. */
  async write<T>(work: (transaction: EntityManager, notify: (event: LedgerEvent) => void) => Promise<T>): Promise<T> {
    const { result, notice } = await underFeedLock(this.database, async (transaction) => {
      const events: LedgerEvent[] = [];
      const done = await work(transaction, (event) => void events.push(event));
      const appended = events.length > 0 ? await this.events.append(transaction, events.map(toFeedEvent)) : null;
      return { result: done, notice: appended };
    });
    if (notice) this.events.announce(notice);
    return result;
  }

  /** @returns false when the payer has less than the amount; nothing was written then */
  async move(transaction: EntityManager, movement: Movement): Promise<boolean> {
    const { kind, from, to, amountMicro, cause, fromPending = false } = movement;
    const amount = amountMicro.toString();
    if (from.userId !== undefined && !fromPending) {
      const [, count] = await transaction.query<[unknown, number]>(DEBIT[from.account], [from.userId, amount]);
      if (count === 0) return false;
    }
    if (to.userId !== undefined) await transaction.query(CREDIT[to.account], [to.userId, amount]);
    const about = 'id' in cause ? [null, null, null, cause.id] : [cause.taskId, cause.holdId, cause.agentId, null];
    const sides = [from.account, from.userId ?? null, to.account, to.userId ?? null];
    await transaction.query(INSERT, [kind, ...sides, amount, ...about]);
    return true;
  }
}

const toFeedEvent = ({ type, userId, data }: LedgerEvent): NewFeedEvent => ({
  type,
  task_id: null,
  user_id: userId,
  agent_owner_id: null,
  data,
});

const DEBIT = {
  available: `UPDATE ledger_balances SET available_micro = available_micro - $2 WHERE user_id = $1 AND available_micro >= $2`,
  held: `UPDATE ledger_balances SET held_micro = held_micro - $2 WHERE user_id = $1 AND held_micro >= $2`,
};
const CREDIT = {
  available: `UPDATE ledger_balances SET available_micro = available_micro + $2 WHERE user_id = $1`,
  held: `UPDATE ledger_balances SET held_micro = held_micro + $2 WHERE user_id = $1`,
};
const INSERT = `
  INSERT INTO ledger_transfers
    (kind, debit_account, debit_user, credit_account, credit_user, amount_micro, task_id, hold_id, agent_id, cause)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`;
