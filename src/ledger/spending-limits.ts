import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AuditTrail, type Caller } from '../auth/index.js';
import { notFound } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import { amountToWire } from '../common/money.js';
import { underFeedLock } from '../feed/index.js';
import { overLimit, type SpendingLimit, type Wanted } from './over-limit.js';

/**
 * How much an account, or one of its API keys, may spend on tasks: for each, and on each UTC day. The hot statements check
 * and count (`hold-sql.ts`). A task counts against its account, the key that submitted it, and the keys that this key was
 * made with.
 */
@Injectable()
export class SpendingLimits {
  constructor(
    private readonly database: DataSource,
    private readonly audit: AuditTrail,
  ) {}

  /** The account's first, then those of keys that are neither revoked nor expired, newest first. */
  async of(userId: string): Promise<SpendingLimit[]> {
    const rows = await this.database.query<LimitRow[]>(`${SELECT} ORDER BY l.key_id DESC NULLS FIRST`, [userId]);
    return rows.map(toLimit);
  }

  /**
   * Sets both limits of the caller's account, or of one of its keys.
   * @throws AppError `not_found` for a key that is not the caller's, or has ended
   */
  async set(by: Caller, keyId: string | null, { perTaskMicro, perDayMicro }: NewLimits): Promise<void> {
    if (keyId !== null && !isId(keyId)) throw notFound('API key');
    const amounts = [perTaskMicro?.toString() ?? null, perDayMicro?.toString() ?? null];
    const [made] = await this.database.query<unknown[]>(CREATE, [by.id, keyId]);
    if (!made) throw notFound('API key');
    // Submissions take the same lock, so each of them sees either the old limits or the new ones.
    await underFeedLock(this.database, async (transaction) => {
      await transaction.query(SET, [keyId ?? by.id, ...amounts]);
      const wire = (micro: bigint | null): number | null => (micro === null ? null : amountToWire(micro));
      const details = { key_id: keyId, per_task: wire(perTaskMicro), per_day: wire(perDayMicro) };
      await this.audit.record({ type: 'ledger.limits_set', by, subjectId: by.id, details }, transaction);
    });
  }

  /** The refusal of a submission, as the limits stand now. */
  async refusal(userId: string, keyId: string | undefined, wanted: Wanted): Promise<Error> {
    const rows = await this.database.query<LimitRow[]>(
      `${SELECT} AND l.payer_id IN (SELECT spending_payers($1, $2)) ORDER BY l.key_id NULLS LAST`,
      [userId, keyId ?? null],
    );
    return overLimit(rows.map(toLimit), wanted);
  }
}

export interface NewLimits {
  perTaskMicro: bigint | null;
  perDayMicro: bigint | null;
}

interface LimitRow {
  key_id: string | null;
  key_name: string | null;
  task_micro: string | null;
  day_micro: string | null;
  spent_micro: string;
  renews_at: Date;
}

const toLimit = (row: LimitRow): SpendingLimit => ({
  keyId: row.key_id,
  keyName: row.key_name,
  perTaskMicro: row.task_micro === null ? null : BigInt(row.task_micro),
  perDayMicro: row.day_micro === null ? null : BigInt(row.day_micro),
  spentMicro: BigInt(row.spent_micro),
  renewsAt: row.renews_at,
});

const SELECT = `
  SELECT l.key_id, key.name AS key_name, l.task_micro, l.day_micro,
         CASE WHEN l.day = utc_day(now()) THEN l.spent_micro ELSE 0 END AS spent_micro,
         (utc_day(now()) + 1)::timestamp AT TIME ZONE 'UTC' AS renews_at
    FROM spending_limits l
    LEFT JOIN api_keys key ON key.id = l.key_id
   WHERE l.user_id = $1
     AND (l.key_id IS NULL OR key.revoked_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > now()))`;

/** From the moment this is committed, submissions count. It is therefore committed before today's spending is summed. */
const CREATE = `
  INSERT INTO spending_limits (payer_id, user_id, key_id)
  SELECT coalesce($2::uuid, $1::uuid), $1, $2
   WHERE $2::uuid IS NULL
      OR EXISTS (SELECT FROM api_keys
                  WHERE id = $2 AND user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))
  ON CONFLICT (payer_id) DO UPDATE SET user_id = excluded.user_id
  RETURNING payer_id`;

/** `spending_today` reads all transfers of the account's day under the feed's lock, so it runs once for each payer. */
const SET = `
  UPDATE spending_limits
     SET task_micro = $2, day_micro = $3, counted = true,
         day = CASE WHEN counted THEN day ELSE utc_day(clock_timestamp()) END,
         spent_micro = CASE WHEN counted THEN spent_micro ELSE spending_today(user_id, key_id) END
   WHERE payer_id = $1`;
