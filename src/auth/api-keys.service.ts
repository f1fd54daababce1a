import { createHash, randomBytes } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DataSource, IsNull } from 'typeorm';
import { SCOPES, type Scope } from '../common/access.js';
import { AppError, notFound } from '../common/app-error.js';
import { isId, newId } from '../common/ids.js';
import { type Page, type PageQuery, toPage } from '../common/pagination.js';
import { outageLog } from '../observability/index.js';
import { holdAccount } from './account-hold.js';
import { ApiKey } from './api-key.entity.js';
import { AuditTrail } from './audit-trail.js';
import { type ApiKeyDto, presentKey } from './api-keys.dto.js';
import { type Caller, accountSuspended, keyRefused } from './caller.js';
import { deleteEnded } from './ended-access.js';
import { Revocations } from './revocations.js';
import type { UserRole } from './user.entity.js';

/** How each key begins. No access token begins so. */
export const KEY_PREFIX = 'zsk_';

/** How long a key is trusted without asking the database, if the notification of its revocation was lost, ms. */
const BELIEVED_MS = 3000;
const MAX_BELIEVED = 10_000;
/** Minimum time between writes of the last use, ms. */
const USE_MS = 60_000;
/** Limit of an account's keys that are neither revoked nor expired. */
const MAX_KEYS = 100;

/** Long-lived credentials for programs. The key itself is shown once; only its SHA-256 is kept. */
@Injectable()
export class ApiKeys {
  private readonly warnOfOutage = outageLog(new Logger('Auth'), 'the last use of an API key cannot be written');
  private readonly believed = new LRUCache<string, { caller: Caller; until: number }>({ max: MAX_BELIEVED });
  private readonly used = new LRUCache<string, number>({ max: MAX_BELIEVED });

  constructor(
    private readonly database: DataSource,
    private readonly revocations: Revocations,
    private readonly audit: AuditTrail,
  ) {
    revocations.onChange(() => this.believed.clear());
  }

  /**
   * @returns the key as kept, and the secret, which cannot be shown again
   * @throws AppError `forbidden` `SCOPE_NOT_YOURS`, `EXPIRY_NOT_YOURS` or `QUOTA_EXCEEDED`; `unauthorised` `ACCOUNT_GONE` or `API_KEY_INVALID`
   */
  async create(
    caller: Caller,
    { name, scopes, expiresAt }: { name: string; scopes: Scope[]; expiresAt: Date | null },
  ): Promise<{ key: ApiKey; secret: string }> {
    const own = caller.key?.scopes ?? SCOPES.filter((scope) => scope !== 'admin' || caller.role === 'admin');
    const surplus = scopes.filter((scope) => !own.includes(scope));
    if (surplus.length > 0) {
      throw new AppError('forbidden', 'SCOPE_NOT_YOURS', `You cannot give what you may not do: ${surplus.join(', ')}.`);
    }
    if (caller.key && (expiresAt?.getTime() ?? Infinity) > caller.expiresAt) {
      const latest = new Date(caller.expiresAt).toISOString();
      const detail = `A key that is made with a key expires no later than that one: set expires_at to ${latest} or earlier.`;
      throw new AppError('forbidden', 'EXPIRY_NOT_YOURS', detail);
    }
    const secret = `${KEY_PREFIX}${randomBytes(32).toString('base64url')}`;
    const id = newId();
    await this.database.transaction(async (transaction) => {
      await holdAccount(transaction, caller.id);
      // It may have been revoked since it was looked up, with all that had been made with it.
      const maker = caller.key && { id: caller.key.id, revokedAt: IsNull() };
      if (maker && !(await transaction.existsBy(ApiKey, maker))) throw keyRefused();
      const active = await transaction
        .createQueryBuilder(ApiKey, 'key')
        .where('key.user_id = :user AND key.revoked_at IS NULL', { user: caller.id })
        .andWhere('(key.expires_at IS NULL OR key.expires_at > now())')
        .getCount();
      if (active >= MAX_KEYS) {
        throw new AppError('forbidden', 'QUOTA_EXCEEDED', `An account has at most ${MAX_KEYS} keys: revoke one first.`);
      }
      await transaction.insert(ApiKey, {
        id,
        userId: caller.id,
        name,
        prefix: secret.slice(0, 12),
        hash: hashOf(secret),
        scopes,
        madeWithId: caller.key?.id ?? null,
        expiresAt,
      });
      const details = { key_id: id, scopes };
      await this.audit.record({ type: 'api_key.created', by: caller, subjectId: caller.id, details }, transaction);
    });
    return { key: await this.database.getRepository(ApiKey).findOneByOrFail({ id }), secret };
  }

  /** Newest first, including ended keys that are still kept. */
  async list(caller: Caller, { limit, cursor }: PageQuery): Promise<Page<ApiKeyDto>> {
    const keys = this.database
      .getRepository(ApiKey)
      .createQueryBuilder('key')
      .where('key.user_id = :user', { user: caller.id })
      .orderBy('key.id', 'DESC')
      .limit(limit + 1);
    if (cursor) keys.andWhere('key.id < :cursor', { cursor });
    return toPage(await keys.getMany(), limit, presentKey);
  }

  /** Revokes a key and those that were made with it. Once revoked, a key stays so; again changes nothing. @throws AppError `not_found` */
  async revoke(caller: Caller, id: string): Promise<void> {
    const key = isId(id) ? await this.database.getRepository(ApiKey).findOneBy({ id, userId: caller.id }) : null;
    if (!key) throw notFound('API key');
    await this.database.transaction(async (transaction) => {
      await holdAccount(transaction, caller.id);
      const [revoked] = await transaction.query<[{ id: string }[], number]>(REVOKE, [key.id, caller.id]);
      for (const { id } of revoked) {
        const details = { key_id: id, ...(id !== key.id && { revoked_with_id: key.id }) };
        await this.audit.record({ type: 'api_key.revoked', by: caller, subjectId: caller.id, details }, transaction);
      }
    });
    this.believed.clear();
    await this.revocations.tell('api_key.revoked', id);
  }

  /**
   * Deletes up to a limit of keys that ended long enough ago. The audit trail records what they did. @returns how many
   */
  deleteOld(ageMs: number, limit: number): Promise<number> {
    return deleteEnded(this.database, 'api_keys', ageMs, limit);
  }

  /** @throws AppError `unauthorised` `API_KEY_INVALID`; `forbidden` `ACCOUNT_SUSPENDED` */
  async authenticate(secret: string): Promise<Caller> {
    if (!/^zsk_[\w-]{43}$/.test(secret)) throw keyRefused();
    const hash = hashOf(secret);
    const now = Date.now();
    let known = this.believed.get(hash);
    if (!known || known.until < now) {
      known = await this.read(hash, now);
      this.believed.set(hash, known);
    }
    const caller = this.revocations.admit(known.caller);
    this.noteUse(known.caller.key!.id, now);
    return caller;
  }

  private async read(hash: string, now: number) {
    const [row] = await this.database.query<(KeyRow | undefined)[]>(
      `SELECT key.id, key.user_id, key.scopes, key.expires_at, account.role, account.suspended_at, account.suspension_reason
         FROM api_keys key JOIN users account ON account.id = key.user_id
        WHERE key.hash = $1 AND key.revoked_at IS NULL`,
      [hash],
    );
    if (!row) throw keyRefused();
    if (row.suspended_at) throw accountSuspended(row.suspension_reason);
    const role = row.scopes.includes('admin') ? row.role : 'user';
    return {
      caller: {
        id: row.user_id,
        role,
        key: { id: row.id, scopes: row.scopes },
        expiresAt: row.expires_at?.getTime() ?? Infinity,
      } satisfies Caller,
      until: now + BELIEVED_MS,
    };
  }

  private noteUse(id: string, now: number): void {
    if ((this.used.get(id) ?? 0) > now - USE_MS) return;
    this.used.set(id, now);
    this.database
      .query(`UPDATE api_keys SET last_used_at = date_trunc('minute', now()) WHERE id = $1`, [id])
      .catch(this.warnOfOutage);
  }
}

/**
 * A key expires no later than the key it was made with, so no link of a chain is deleted before its dependants have
 * ended.
 */
const REVOKE = `
  WITH RECURSIVE family AS (
    SELECT id FROM api_keys WHERE user_id = $2 AND id = $1
     UNION ALL
    SELECT key.id FROM family JOIN api_keys key ON key.user_id = $2 AND key.made_with_id = family.id
  )
  UPDATE api_keys SET revoked_at = now() WHERE id IN (SELECT id FROM family) AND revoked_at IS NULL RETURNING id`;

interface KeyRow {
  id: string;
  user_id: string;
  scopes: Scope[];
  expires_at: Date | null;
  role: UserRole;
  suspended_at: Date | null;
  suspension_reason: string | null;
}

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');
