import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditTrail, type Caller, roleRequired } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { newId } from '../common/ids.js';
import { amountToDecimal, amountToWire } from '../common/money.js';
import { signedToDecimal } from './amounts.js';
import { Book } from './book.js';
import type { CreditDto, LedgerTotalsDto } from './credits.dto.js';

/** An amount for one account. */
export interface Credit {
  userId: string;
  amountMicro: bigint;
}

/** What admins and payment providers do to accounts: grants, corrections, top-ups; and the sums of all accounts. */
@Injectable()
export class Credits {
  constructor(
    private readonly database: DataSource,
    private readonly book: Book,
    private readonly audit: AuditTrail,
  ) {}

  /** @throws AppError `not_found` for an account that is unknown or deleted */
  grant(by: Caller, { userId, amountMicro }: Credit, reason: string): Promise<CreditDto> {
    return this.adjust(by, 'grant', { userId, amountMicro }, reason, 'add');
  }

  /** @throws AppError `not_found`; `conflict` `BALANCE_TOO_LOW` when more is to be removed than is available */
  correct(by: Caller, credit: Credit, reason: string, direction: 'add' | 'remove'): Promise<CreditDto> {
    return this.adjust(by, 'correction', credit, reason, direction);
  }

  private async adjust(
    by: Caller,
    kind: 'grant' | 'correction',
    { userId, amountMicro }: Credit,
    reason: string,
    direction: 'add' | 'remove',
  ): Promise<CreditDto> {
    const id = newId();
    const own = { account: 'available', userId } as const;
    const market = { account: 'issued' } as const;
    const [from, to] = direction === 'add' ? [market, own] : [own, market];
    const amount = amountToWire(amountMicro);
    return this.book.write(async (transaction, notify) => {
      await expectAccount(transaction, userId);
      if (!(await this.book.move(transaction, { kind, from, to, amountMicro, cause: { id } }))) {
        const detail = `The account has fewer than ${amountToDecimal(amountMicro)} available credits. Nothing was written.`;
        throw new AppError('conflict', 'BALANCE_TOO_LOW', detail);
      }
      const text = 'INSERT INTO ledger_adjustments (id, user_id, reason, made_by) VALUES ($1, $2, $3, $4)';
      await transaction.query(text, [id, userId, reason, by.id]);
      const details = { id, amount, direction, reason };
      await this.audit.record({ type: `ledger.${kind}`, by, subjectId: userId, details }, transaction);
      const type = direction === 'add' ? 'ledger.credited' : 'ledger.debited';
      notify({ type, userId, data: { kind, amount, reason, reference_id: id } });
      return { id, user_id: userId, amount };
    });
  }

  /**
   * Adds what somebody has paid. The same reference again changes nothing.
   * @returns whether this call added it
   * @throws AppError `forbidden` `ROLE_REQUIRED`, `not_found`, `unprocessable` `REFERENCE_REUSED`
   */
  async topUp(by: Caller, { userId, amountMicro }: Credit, reference: string): Promise<CreditDto & { added: boolean }> {
    await this.expectAdmin(by);
    const id = newId();
    return this.book.write(async (transaction, notify) => {
      await expectAccount(transaction, userId);
      const [known] = await transaction.query<{ id: string; user_id: string; amount_micro: string }[]>(
        'SELECT id, user_id, amount_micro FROM ledger_topups WHERE reference = $1',
        [reference],
      );
      const amount = amountToWire(amountMicro);
      if (known) {
        if (known.user_id !== userId || BigInt(known.amount_micro) !== amountMicro) {
          const detail = 'This reference came with another account or amount before. Nothing was written.';
          throw new AppError('unprocessable', 'REFERENCE_REUSED', detail);
        }
        return { id: known.id, user_id: userId, amount, added: false };
      }
      const text = 'INSERT INTO ledger_topups (reference, id, user_id, amount_micro) VALUES ($1, $2, $3, $4)';
      await transaction.query(text, [reference, id, userId, amountMicro.toString()]);
      await this.book.move(transaction, {
        ...{ kind: 'topup', amountMicro, cause: { id } },
        from: { account: 'issued' },
        to: { account: 'available', userId },
      });
      const details = { id, amount, reference };
      await this.audit.record({ type: 'ledger.topup', by, subjectId: userId, details }, transaction);
      notify({ type: 'ledger.credited', userId, data: { kind: 'topup', amount, reference, reference_id: id } });
      return { id, user_id: userId, amount, added: true };
    });
  }

  /** Sums over all accounts: decimals, because they may exceed what a JSON number keeps exactly. */
  async totals(): Promise<LedgerTotalsDto> {
    const [row] = await this.database.query<Record<string, string>[]>(TOTALS);
    const decimal = (name: string): string => signedToDecimal(BigInt(row[name]));
    return {
      available: decimal('available'),
      held: decimal('held'),
      pending: decimal('pending'),
      fees: decimal('fees'),
      issued: decimal('issued'),
      paid_out: decimal('paid_out'),
    };
  }

  /** A key with `ledger:write` alone does not act as an admin, so the account itself is asked. */
  private async expectAdmin({ id }: Caller): Promise<void> {
    const text = `SELECT FROM users WHERE id = $1 AND role = 'admin'`;
    if ((await this.database.query<unknown[]>(text, [id])).length === 0) throw roleRequired();
  }
}

async function expectAccount(transaction: EntityManager, userId: string): Promise<void> {
  const text = 'SELECT FROM users WHERE id = $1 AND deleted_at IS NULL';
  if ((await transaction.query<unknown[]>(text, [userId])).length === 0) throw notFound('account');
}

/** What users have is known by their balances; what the market has by the transfers that cross its border. */
const TOTALS = `
  WITH market AS (
    SELECT credit_account AS account, amount_micro AS amount FROM ledger_transfers
     WHERE credit_user IS NULL
    UNION ALL
    SELECT debit_account, -amount_micro FROM ledger_transfers
     WHERE debit_user IS NULL
  ),
  sums AS (
    SELECT coalesce(sum(amount) FILTER (WHERE account = 'fees'), 0) AS fees,
           coalesce(sum(amount) FILTER (WHERE account = 'issued'), 0) AS issued,
           coalesce(sum(amount) FILTER (WHERE account = 'paid_out'), 0) AS paid_out
      FROM market
  ),
  own AS (
    SELECT coalesce(sum(available_micro), 0) AS available, coalesce(sum(held_micro), 0) AS held FROM ledger_balances
  )
  -- The sum over all accounts is zero.
  SELECT *, -(fees + issued + paid_out + available + held) AS pending FROM sums, own`;
