import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { signedToWire } from './amounts.js';
import type { TransferKind } from './transfer-kinds.js';
import type { ListTransfersQuery, TransferDto, TransferPage } from './transfer.dto.js';

/** The history of one user's accounts. */
@Injectable()
export class Transfers {
  constructor(private readonly database: DataSource) {}

  /** Newest first. */
  async list(userId: string, query: ListTransfersQuery): Promise<TransferPage> {
    const { kind, task_id, from, to, cursor, limit } = query;
    const values = [userId, cursor ?? null, kind ?? null, task_id ?? null, from ?? null, to ?? null, limit + 1];
    const rows = await this.database.query<TransferRow[]>(task_id ? OF_TASK : OF_USER, values);
    const items = rows.slice(0, limit).map((row) => present(row, userId));
    return { items, next_cursor: rows.length > limit ? items[items.length - 1].id : null };
  }
}

interface TransferRow {
  id: string;
  kind: TransferKind;
  debit_account: string;
  debit_user: string | null;
  credit_account: string;
  credit_user: string | null;
  amount_micro: string;
  task_id: string | null;
  agent_id: string | null;
  key_id: string | null;
  cause: string | null;
  at: Date;
}

/** The effect on the accounts of the user. The other side is named by its account only. */
function present(row: TransferRow, userId: string): TransferDto {
  const amount = BigInt(row.amount_micro);
  const change = (account: string): bigint =>
    (row.credit_user === userId && row.credit_account === account ? amount : 0n) -
    (row.debit_user === userId && row.debit_account === account ? amount : 0n);
  return {
    id: Number(row.id),
    at: row.at.toISOString(),
    kind: row.kind,
    amount: signedToWire(amount),
    available_change: signedToWire(change('available')),
    held_change: signedToWire(change('held')),
    task_id: row.task_id,
    agent_id: row.agent_id,
    key_id: row.debit_user === userId ? row.key_id : null,
    reference_id: row.cause,
  };
}

const COLUMNS = `
  id, kind, debit_account, debit_user, credit_account, credit_user, amount_micro, task_id, agent_id, key_id, cause, at`;

const FILTER = `
  ($2::bigint IS NULL OR id < $2) AND ($3::text IS NULL OR kind = $3) AND ($4::uuid IS NULL OR task_id = $4)
  AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6)`;

/** Each part follows its own index and stops at the limit. */
const OF_USER = `
  (SELECT ${COLUMNS} FROM ledger_transfers WHERE debit_user = $1 AND ${FILTER} ORDER BY id DESC LIMIT $7)
   UNION ALL
  (SELECT ${COLUMNS} FROM ledger_transfers
    WHERE credit_user = $1 AND credit_user IS DISTINCT FROM debit_user AND ${FILTER} ORDER BY id DESC LIMIT $7)
   ORDER BY id DESC LIMIT $7`;

const OF_TASK = `
  SELECT ${COLUMNS} FROM ledger_transfers
   WHERE task_id = $4 AND (debit_user = $1 OR credit_user = $1) AND ${FILTER} ORDER BY id DESC LIMIT $7`;
