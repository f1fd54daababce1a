import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditTrail, type Caller, owns } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { isId, newId } from '../common/ids.js';
import { amountToWire } from '../common/money.js';
import { type Page, toPage } from '../common/pagination.js';
import { LedgerConfig } from '../config/index.js';
import { Book, type LedgerEvent } from './book.js';
import type { DisputeDto, DisputeStatus, ListDisputesQuery } from './disputes.dto.js';

/**
 * Disputes about completed tasks: `open → upheld | rejected`. The earnings stay pending while a dispute is open. They are pending
 * when it is opened, because `PAYOUT_DELAY_DAYS` is at least `DISPUTE_DAYS`: so what an upheld dispute returns is always there.
 */
@Injectable()
export class Disputes {
  constructor(
    private readonly database: DataSource,
    private readonly book: Book,
    private readonly audit: AuditTrail,
    private readonly config: LedgerConfig,
  ) {}

  /**
   * @throws AppError `not_found` for a task that the caller did not pay for; `conflict` `NOT_DISPUTABLE` (too late, or the caller's
   *   own agent did it) or `ALREADY_DISPUTED`
   */
  async open(caller: Caller, taskId: string, reason: string): Promise<DisputeDto> {
    const id = newId();
    await this.book.write(async (transaction, notify) => {
      const [post] = await transaction.query<PostRow[]>(LAST_POST, [taskId, caller.id, this.config.disputeMs]);
      if (!post) throw notFound('paid task');
      if (post.disputed) throw new AppError('conflict', 'ALREADY_DISPUTED', 'This task is or was in dispute already.');
      if (post.owner_id === caller.id) throw notDisputable('Your own agent did this task.');
      // The row says whether the earnings were folded into the owner's balance already.
      const touched = post.in_time ? await countOf(transaction, TOUCH, [post.owner_id, post.id]) : 0;
      if (touched === 0) throw notDisputable('The time in which this task could be disputed is over.');
      await transaction.query(OPEN, [
        ...[id, taskId, post.id, caller.id, post.owner_id, post.agent_id],
        ...[post.amount_micro, post.fee_micro, reason],
      ]);
      const details = { dispute_id: id, task_id: taskId };
      await this.audit.record({ type: 'dispute.opened', by: caller, subjectId: post.owner_id, details }, transaction);
      const parties = { submitter_id: caller.id, owner_id: post.owner_id };
      notifyBoth(notify, 'ledger.dispute_opened', parties, { ...details, reason });
    });
    return this.get(id);
  }

  /** What the owner says to it. @throws AppError `not_found`; `conflict` `ALREADY_DECIDED` */
  async answer(caller: Caller, id: string, answer: string): Promise<DisputeDto> {
    await this.book.write(async (transaction, notify) => {
      const dispute = await this.undecided(transaction, id);
      if (dispute.owner_id !== caller.id) throw notFound('dispute');
      const text = 'UPDATE ledger_disputes SET answer = $2, answered_at = now() WHERE id = $1';
      await transaction.query(text, [id, answer]);
      const data = { dispute_id: id, task_id: dispute.task_id, answer };
      notifyBoth(notify, 'ledger.dispute_answered', dispute, data);
    });
    return this.get(id);
  }

  /** Returns price and fee to the submitter. @throws AppError `not_found`; `conflict` `ALREADY_DECIDED` */
  async uphold(by: Caller, id: string, decision: string): Promise<DisputeDto> {
    await this.decide(by, id, 'upheld', decision, async (transaction, dispute) => {
      const cause = { taskId: dispute.task_id, holdId: dispute.hold_id, agentId: dispute.agent_id };
      const to = { account: 'available', userId: dispute.submitter_id } as const;
      await this.book.move(transaction, {
        ...{ kind: 'reversal', to, cause, fromPending: true, amountMicro: BigInt(dispute.owner_micro) },
        from: { account: 'available', userId: dispute.owner_id },
      });
      if (BigInt(dispute.fee_micro) > 0n) {
        const amountMicro = BigInt(dispute.fee_micro);
        await this.book.move(transaction, { kind: 'fee_reversal', from: { account: 'fees' }, to, cause, amountMicro });
      }
      await transaction.query(TOUCH_ANY, [dispute.owner_id]);
    });
    return this.get(id);
  }

  /** Leaves the payment as it is. @throws AppError `not_found`; `conflict` `ALREADY_DECIDED` */
  async reject(by: Caller, id: string, decision: string): Promise<DisputeDto> {
    await this.decide(by, id, 'rejected', decision, async (transaction, { owner_id, post_id, owner_micro }) => {
      await transaction.query(RESTORE, [owner_id, post_id, owner_micro]);
    });
    return this.get(id);
  }

  /** Disputes that the user opened or that are about its agents; null: of all. Newest first. */
  async list(userId: string | null, { status, limit, cursor }: ListDisputesQuery): Promise<Page<DisputeDto>> {
    const rows = await this.database.query<DisputeRow[]>(
      `${SELECT} WHERE ($1::uuid IS NULL OR d.submitter_id = $1 OR d.owner_id = $1) AND ($2::text IS NULL OR status = $2)
          AND ($3::uuid IS NULL OR d.id < $3)
        ORDER BY d.id DESC LIMIT $4`,
      [userId, status ?? null, cursor ?? null, limit + 1],
    );
    return toPage(rows, limit, present);
  }

  /** @throws AppError `not_found` for a dispute that the caller has no part in */
  async look(caller: Caller, id: string): Promise<DisputeDto> {
    const row = await find(this.database.manager, id);
    if (row.submitter_id !== caller.id && !owns(caller, row.owner_id)) throw notFound('dispute');
    return present(row);
  }

  private async decide(
    by: Caller,
    id: string,
    status: 'upheld' | 'rejected',
    decision: string,
    act: (transaction: EntityManager, dispute: DisputeRow) => Promise<void>,
  ): Promise<void> {
    await this.book.write(async (transaction, notify) => {
      const dispute = await this.undecided(transaction, id);
      await transaction.query(
        'UPDATE ledger_disputes SET status = $2, decision = $3, decided_at = now(), decided_by = $4 WHERE id = $1',
        [id, status, decision, by.id],
      );
      await act(transaction, dispute);
      const details = { dispute_id: id, task_id: dispute.task_id, decision };
      await this.audit.record({ type: `dispute.${status}`, by, subjectId: dispute.owner_id, details }, transaction);
      const type = `ledger.dispute_${status}` as const;
      notify({ type, userId: dispute.submitter_id, data: details });
      // By the agent's id in the owner's event, statistics take the completion back.
      notify({ type, userId: dispute.owner_id, data: { ...details, agent_id: dispute.agent_id } });
    });
  }

  /** Under the feed's lock no other decision comes between. */
  private async undecided(transaction: EntityManager, id: string): Promise<DisputeRow> {
    const row = await find(transaction, id);
    if (row.status === 'open') return row;
    throw new AppError('conflict', 'ALREADY_DECIDED', `This dispute is ${row.status} already.`);
  }

  private async get(id: string): Promise<DisputeDto> {
    return present(await find(this.database.manager, id));
  }
}

async function find(manager: EntityManager, id: string): Promise<DisputeRow> {
  const rows = isId(id) ? await manager.query<DisputeRow[]>(`${SELECT} WHERE d.id = $1`, [id]) : [];
  if (rows.length === 0) throw notFound('dispute');
  return rows[0];
}

async function countOf(transaction: EntityManager, text: string, values: unknown[]): Promise<number> {
  const [, count] = await transaction.query<[unknown, number]>(text, values);
  return count;
}

const notDisputable = (detail: string): AppError => new AppError('conflict', 'NOT_DISPUTABLE', detail);

function notifyBoth(
  notify: (event: LedgerEvent) => void,
  type: LedgerEvent['type'],
  { submitter_id, owner_id }: Pick<DisputeRow, 'submitter_id' | 'owner_id'>,
  data: Record<string, unknown>,
): void {
  for (const userId of [submitter_id, owner_id]) notify({ type, userId, data });
}

interface PostRow {
  id: string;
  owner_id: string;
  agent_id: string | null;
  amount_micro: string;
  fee_micro: string;
  in_time: boolean;
  disputed: boolean;
}

interface DisputeRow {
  id: string;
  task_id: string;
  post_id: string;
  hold_id: string;
  submitter_id: string;
  owner_id: string;
  agent_id: string | null;
  owner_micro: string;
  fee_micro: string;
  status: DisputeStatus;
  reason: string;
  answer: string | null;
  decision: string | null;
  opened_at: Date;
  answered_at: Date | null;
  decided_at: Date | null;
}

const LAST_POST = `
  SELECT t.id, t.credit_user AS owner_id, t.agent_id, t.amount_micro, coalesce(f.amount_micro, 0) AS fee_micro,
         t.at > now() - $3::float8 * interval '1 millisecond' AS in_time,
         EXISTS (SELECT FROM ledger_disputes d WHERE d.post_id = t.id) AS disputed
    FROM ledger_transfers t
    LEFT JOIN ledger_transfers f ON f.task_id = t.task_id AND f.hold_id = t.hold_id AND f.kind = 'fee'
   WHERE t.task_id = $1 AND t.kind = 'post' AND t.debit_user = $2
   ORDER BY t.id DESC
   LIMIT 1`;

const TOUCH = 'UPDATE ledger_balances SET dispute_changes = dispute_changes + 1 WHERE user_id = $1 AND folded_id < $2';
const TOUCH_ANY = 'UPDATE ledger_balances SET dispute_changes = dispute_changes + 1 WHERE user_id = $1';

/** Folding left disputed earnings out. */
const RESTORE = `
  UPDATE ledger_balances
     SET dispute_changes = dispute_changes + 1,
         available_micro = available_micro + CASE WHEN folded_id >= $2 THEN $3::bigint ELSE 0 END
   WHERE user_id = $1`;

const OPEN = `
  INSERT INTO ledger_disputes
    (id, task_id, post_id, submitter_id, owner_id, agent_id, owner_micro, fee_micro, reason)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;

const SELECT = `
  SELECT d.id, d.task_id, d.post_id, t.hold_id, d.submitter_id, d.owner_id, d.agent_id, d.owner_micro, d.fee_micro, d.status,
         d.reason, d.answer, d.decision, d.opened_at, d.answered_at, d.decided_at
    FROM ledger_disputes d
    JOIN ledger_transfers t ON t.id = d.post_id`;

const present = (row: DisputeRow): DisputeDto => ({
  id: row.id,
  task_id: row.task_id,
  agent_id: row.agent_id,
  amount: amountToWire(BigInt(row.owner_micro) + BigInt(row.fee_micro)),
  status: row.status,
  reason: row.reason,
  answer: row.answer,
  decision: row.decision,
  opened_at: row.opened_at.toISOString(),
  answered_at: row.answered_at?.toISOString() ?? null,
  decided_at: row.decided_at?.toISOString() ?? null,
});
