import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { amountToWire } from '../common/money.js';
import { signedToDecimal, signedToWire } from './amounts.js';
import type { StatementDto, StatementLineDto } from './statement.dto.js';
import type { TransferKind } from './transfer-kinds.js';

/** Lines that one statement reads at a time. */
const PAGE = 1000;

/** What a user bought and earned in one month of UTC, and what else changed its credits. */
@Injectable()
export class Statements {
  constructor(private readonly database: DataSource) {}

  /** @param month `YYYY-MM` @param cursor id of the last line seen */
  async page(userId: string, month: string, { limit, cursor = 0 }: Paging): Promise<StatementDto> {
    const [lines, [sums]] = await Promise.all([
      this.lines(userId, month, cursor, limit + 1),
      this.database.query<Record<string, string>[]>(SUMS, [userId, ...boundsOf(month)]),
    ]);
    // Both lines of a task that a user did for itself have one id: they are not split.
    const splits = lines.length > limit && lines[limit].id === lines[limit - 1].id;
    const items = lines.slice(0, splits ? limit - 1 : limit);
    const wire = (name: string): number => signedToWire(BigInt(sums[name]));
    return {
      month,
      opening: wire('opening'),
      bought: wire('bought'),
      earned: wire('earned'),
      fees: wire('fees'),
      other: wire('other'),
      closing: wire('closing'),
      items,
      next_cursor: lines.length > limit ? items[items.length - 1].id : null,
    };
  }

  /** The whole month as CSV (RFC 4180), read in parts. */
  csv(userId: string, month: string): Readable {
    return Readable.from(this.csvLines(userId, month), { objectMode: false });
  }

  private async *csvLines(userId: string, month: string): AsyncGenerator<string> {
    yield `${HEADER.join(',')}\r\n`;
    for (let cursor = 0; ;) {
      const lines = await this.lines(userId, month, cursor, PAGE);
      if (lines.length > 0) yield lines.map(toCsv).join('');
      if (lines.length < PAGE) return;
      cursor = lines[lines.length - 1].id;
    }
  }

  private async lines(userId: string, month: string, cursor: number, limit: number): Promise<StatementLineDto[]> {
    const rows = await this.database.query<LineRow[]>(LINES, [userId, ...boundsOf(month), cursor, limit]);
    return rows.map(toLine);
  }
}

interface Paging {
  limit: number;
  cursor?: number;
}

interface LineRow {
  id: string;
  at: Date;
  side: StatementLineDto['side'];
  kind: TransferKind;
  task_id: string | null;
  agent_id: string | null;
  agent_name: string | null;
  price: string | null;
  fee: string | null;
  amount: string;
}

const toLine = (row: LineRow): StatementLineDto => ({
  id: Number(row.id),
  at: row.at.toISOString(),
  side: row.side,
  kind: row.kind,
  task_id: row.task_id,
  agent_id: row.agent_id,
  agent_name: row.agent_name,
  price: row.price === null ? null : amountToWire(BigInt(row.price)),
  fee: row.fee === null ? null : amountToWire(BigInt(row.fee)),
  amount: signedToWire(BigInt(row.amount)),
});

const HEADER = ['at', 'side', 'kind', 'task_id', 'agent_id', 'agent_name', 'price', 'fee', 'amount'] as const;

const toCsv = (line: StatementLineDto): string => `${HEADER.map((name) => cell(line[name])).join(',')}\r\n`;

function cell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return signedToDecimal(BigInt(Math.round(value * 1e6)));
  // A spreadsheet would take a text that begins like this for a formula.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The first moment of the month and that of the next one. */
function boundsOf(month: string): [Date, Date] {
  const [year, index] = month.split('-').map(Number);
  return [new Date(Date.UTC(year, index - 1)), new Date(Date.UTC(year, index))];
}

/**
 * A task is one line for each side, by the transfer that paid its owner, or by the fee where the fee is all there is, and
 * one more line for its host calls. What only
 * moves between available and held is no line. A payout counts when it is paid.
 */
const ENTRIES = `
  SELECT t.id, t.at, 'bought' AS side, t.kind, t.task_id, t.agent_id, t.amount_micro + coalesce(f.amount_micro, 0) AS price,
         coalesce(f.amount_micro, CASE t.kind WHEN 'fee' THEN t.amount_micro ELSE 0 END) AS fee,
         -(t.amount_micro + coalesce(f.amount_micro, 0)) AS amount
    FROM ledger_transfers t
    LEFT JOIN ledger_transfers f
      ON f.task_id = t.task_id AND f.hold_id = t.hold_id AND f.kind = 'fee' AND t.kind = 'post'
   WHERE t.debit_user = $1 AND (t.kind = 'post' OR (t.kind = 'fee' AND NOT EXISTS (
           SELECT FROM ledger_transfers p WHERE p.task_id = t.task_id AND p.hold_id = t.hold_id AND p.kind = 'post')))
  UNION ALL
  SELECT t.id, t.at, 'bought', t.kind, t.task_id, t.agent_id, t.amount_micro, NULL, -t.amount_micro
    FROM ledger_transfers t
   WHERE t.debit_user = $1 AND t.kind = 'host_calls'
  UNION ALL
  SELECT t.id, t.at, 'earned', t.kind, t.task_id, t.agent_id, t.amount_micro + coalesce(f.amount_micro, 0),
         coalesce(f.amount_micro, 0), t.amount_micro
    FROM ledger_transfers t
    LEFT JOIN ledger_transfers f ON f.task_id = t.task_id AND f.hold_id = t.hold_id AND f.kind = 'fee'
   WHERE t.credit_user = $1 AND t.kind = 'post'
  UNION ALL
  SELECT t.id, t.at, 'other', t.kind, t.task_id, t.agent_id, NULL, NULL,
         CASE WHEN t.credit_user = $1 THEN t.amount_micro ELSE -t.amount_micro END
    FROM ledger_transfers t
   WHERE t.debit_user = $1 AND t.credit_user IS DISTINCT FROM t.debit_user AND t.kind NOT IN ('post', 'fee', 'host_calls')
  UNION ALL
  SELECT t.id, t.at, 'other', t.kind, t.task_id, t.agent_id, NULL, NULL, t.amount_micro
    FROM ledger_transfers t
   WHERE t.credit_user = $1 AND t.credit_user IS DISTINCT FROM t.debit_user AND t.kind <> 'post'`;

/** A task that a user did for itself has two lines with one id: both come on one page. */
const LINES = `
  WITH entry AS (${ENTRIES}),
  wanted AS (SELECT id FROM entry WHERE at >= $2 AND at < $3 AND id > $4 ORDER BY id LIMIT $5)
  SELECT entry.id, entry.at, side, kind, task_id, agent_id, agents.name AS agent_name, price, fee, amount
    FROM entry
    LEFT JOIN agents ON agents.id = agent_id
   WHERE entry.id IN (SELECT id FROM wanted)
   ORDER BY entry.id, side`;

const SUMS = `
  WITH entry AS (${ENTRIES})
  SELECT coalesce(sum(amount) FILTER (WHERE at < $2), 0) AS opening,
         coalesce(-sum(amount) FILTER (WHERE at >= $2 AND at < $3 AND side = 'bought'), 0) AS bought,
         coalesce(sum(amount) FILTER (WHERE at >= $2 AND at < $3 AND side = 'earned'), 0) AS earned,
         coalesce(sum(fee) FILTER (WHERE at >= $2 AND at < $3 AND side = 'earned'), 0) AS fees,
         coalesce(sum(amount) FILTER (WHERE at >= $2 AND at < $3 AND side = 'other'), 0) AS other,
         coalesce(sum(amount) FILTER (WHERE at < $3), 0) AS closing
    FROM entry`;
