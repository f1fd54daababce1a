import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditTrail, type Caller } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { isId, newId } from '../common/ids.js';
import { amountToWire } from '../common/money.js';
import { type Page, toPage } from '../common/pagination.js';
import { Book } from './book.js';
import { insufficientCredits } from './insufficient-credits.js';
import { Ledger } from './ledger.js';
import type { ListPayoutsQuery, PayoutDto, PayoutStatus } from './payouts.dto.js';

/** Withdrawals: a user asks, the amount is reserved, an admin pays it elsewhere and confirms, or rejects. */
@Injectable()
export class Payouts {
  constructor(
    private readonly database: DataSource,
    private readonly ledger: Ledger,
    private readonly book: Book,
    private readonly audit: AuditTrail,
  ) {}

  /** @throws AppError `unpaid` `INSUFFICIENT_CREDITS` */
  async request(caller: Caller, amountMicro: bigint, note: string | null): Promise<PayoutDto> {
    await this.ledger.fold(caller.id);
    const id = newId();
    const { id: userId } = caller;
    const isReserved = await this.book.write(async (transaction, notify) => {
      const reserved = await this.book.move(transaction, {
        ...{ kind: 'payout_request', amountMicro, cause: { id } },
        from: { account: 'available', userId },
        to: { account: 'held', userId },
      });
      if (!reserved) return false;
      const text = 'INSERT INTO ledger_payouts (id, user_id, amount_micro, note) VALUES ($1, $2, $3, $4)';
      await transaction.query(text, [id, userId, amountMicro.toString(), note]);
      const amount = amountToWire(amountMicro);
      const details = { payout_id: id, amount };
      await this.audit.record({ type: 'payout.requested', by: caller, subjectId: userId, details }, transaction);
      notify({ type: 'ledger.payout_requested', userId, data: { payout_id: id, amount } });
      return true;
    });
    if (!isReserved) throw insufficientCredits(amountMicro, (await this.ledger.balanceOf(userId)).availableMicro);
    return this.get(id);
  }

  /** The caller's, or for an admin those of all accounts or of one; newest first. */
  async list(userId: string | null, { status, limit, cursor }: ListPayoutsQuery): Promise<Page<PayoutDto>> {
    const rows = await this.database.query<PayoutRow[]>(
      `${SELECT} WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR status = $2) AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4`,
      [userId, status ?? null, cursor ?? null, limit + 1],
    );
    return toPage(rows, limit, present);
  }

  /** @param reference of the payment that was made @throws AppError `not_found`, `conflict` `ALREADY_DECIDED` */
  confirm(by: Caller, id: string, reference: string): Promise<PayoutDto> {
    return this.decide(by, id, 'paid', reference);
  }

  /** Returns the amount. @throws AppError `not_found`, `conflict` `ALREADY_DECIDED` */
  reject(by: Caller, id: string, reason: string): Promise<PayoutDto> {
    return this.decide(by, id, 'rejected', reason);
  }

  private async decide(by: Caller, id: string, status: 'paid' | 'rejected', answer: string): Promise<PayoutDto> {
    if (!isId(id)) throw notFound('payout');
    await this.book.write(async (transaction, notify) => {
      const { user_id: userId, ...payout } = await requested(transaction, id);
      const amountMicro = BigInt(payout.amount_micro);
      await transaction.query(
        'UPDATE ledger_payouts SET status = $2, answer = $3, decided_at = now(), decided_by = $4 WHERE id = $1',
        [id, status, answer, by.id],
      );
      await this.book.move(transaction, {
        ...{ kind: status === 'paid' ? 'payout' : 'payout_rejected', amountMicro, cause: { id } },
        from: { account: 'held', userId },
        to: status === 'paid' ? { account: 'paid_out' } : { account: 'available', userId },
      });
      const details = { payout_id: id, amount: amountToWire(amountMicro), answer };
      await this.audit.record({ type: `payout.${status}`, by, subjectId: userId, details }, transaction);
      notify({ type: `ledger.payout_${status}`, userId, data: details });
    });
    return this.get(id);
  }

  private async get(id: string): Promise<PayoutDto> {
    const [row] = await this.database.query<PayoutRow[]>(`${SELECT} WHERE id = $1`, [id]);
    return present(row);
  }
}

/** Under the feed's lock no other decision comes between. */
async function requested(transaction: EntityManager, id: string): Promise<PayoutRow> {
  const [row] = await transaction.query<PayoutRow[]>(`${SELECT} WHERE id = $1`, [id]);
  if (!row) throw notFound('payout');
  if (row.status === 'requested') return row;
  throw new AppError('conflict', 'ALREADY_DECIDED', `This payout is ${row.status} already.`);
}

interface PayoutRow {
  id: string;
  user_id: string;
  amount_micro: string;
  status: PayoutStatus;
  note: string | null;
  answer: string | null;
  requested_at: Date;
  decided_at: Date | null;
}

const SELECT = 'SELECT id, user_id, amount_micro, status, note, answer, requested_at, decided_at FROM ledger_payouts';

const present = (row: PayoutRow): PayoutDto => ({
  id: row.id,
  user_id: row.user_id,
  amount: amountToWire(BigInt(row.amount_micro)),
  status: row.status,
  note: row.note,
  answer: row.answer,
  requested_at: row.requested_at.toISOString(),
  decided_at: row.decided_at?.toISOString() ?? null,
});
