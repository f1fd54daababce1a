import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, IsNull } from 'typeorm';
import { AppError, notFound } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import { type Page, toPage } from '../common/pagination.js';
import { LOCKS } from '../database/index.js';
import type { AuditType } from './audit-event.entity.js';
import { AuditTrail } from './audit-trail.js';
import { type AccountDto, type ListAccountsQuery, presentAccount } from './accounts.dto.js';
import { accountGone, accountSuspended, type Caller } from './caller.js';
import { NOBODYS } from './password.js';
import { Revocations } from './revocations.js';
import { Sessions } from './sessions.js';
import { User, type UserRole } from './user.entity.js';

/** What stays unset does not change. */
interface AccountChanges {
  role?: UserRole;
  queueWeight?: number;
}

/** What admins do to accounts. The last admin who can log in remains one. */
@Injectable()
export class AccountsService {
  private readonly afterwards: ((userId: string) => Promise<void>)[] = [];
  private readonly openings: ((transaction: EntityManager, userId: string) => Promise<void>)[] = [];
  private readonly erasures: ((transaction: EntityManager, userId: string) => Promise<void>)[] = [];

  constructor(
    private readonly database: DataSource,
    private readonly sessions: Sessions,
    private readonly revocations: Revocations,
    private readonly audit: AuditTrail,
  ) {}

  /** Newest first. */
  async list({ role, suspended, email, limit, cursor }: ListAccountsQuery): Promise<Page<AccountDto>> {
    const accounts = this.database
      .getRepository(User)
      .createQueryBuilder('account')
      .where('account.deleted_at IS NULL')
      .orderBy('account.id', 'DESC')
      .limit(limit + 1);
    if (role) accounts.andWhere('account.role = :role', { role });
    if (suspended !== undefined) accounts.andWhere(`account.suspended_at IS ${suspended ? 'NOT NULL' : 'NULL'}`);
    if (email) accounts.andWhere('account.email = :email', { email });
    if (cursor) accounts.andWhere('account.id < :cursor', { cursor });
    return toPage(await accounts.getMany(), limit, presentAccount);
  }

  /** @throws AppError `not_found`, also for a deleted account */
  async get(id: string): Promise<User> {
    const where = { id, deletedAt: IsNull() };
    const user = isId(id) ? await this.database.getRepository(User).findOneBy(where) : null;
    if (!user) throw notFound('account');
    return user;
  }

  /** Why an account may not act, after a statement found it missing or suspended. */
  async refusal(id: string): Promise<AppError> {
    const user = await this.database.getRepository(User).findOneBy({ id });
    return user && !user.deletedAt ? accountSuspended(user.suspensionReason) : accountGone();
  }

  /** Registers what a new account gets, in the transaction that opens it. */
  whenOpened(act: (transaction: EntityManager, userId: string) => Promise<void>): void {
    this.openings.push(act);
  }

  /** To be called by the transaction that opens an account. */
  async opened(transaction: EntityManager, userId: string): Promise<void> {
    for (const act of this.openings) await act(transaction, userId);
  }

  /** Who has to act when an account is shut out; called after the commit, and again by a sweep should it fail. */
  whenShutOut(act: (userId: string) => Promise<void>): void {
    this.afterwards.push(act);
  }

  /**
   * Ends all sessions of the account and refuses its keys, on every process; then cancels its tasks. Once more changes the reason.
   * @throws AppError `not_found`, `conflict` `LAST_ADMIN`
   */
  async suspend(by: Caller, id: string, reason: string | null): Promise<User> {
    await this.change(id, async (user, transaction) => {
      if (user.suspendedAt && user.suspensionReason === reason) return;
      if (user.role === 'admin' && !user.suspendedAt) await this.keepAnAdmin(transaction, id);
      await transaction.query(
        `UPDATE users SET suspended_at = coalesce(suspended_at, now()), suspension_reason = $2, access_changed_at = now()
          WHERE id = $1`,
        [id, reason],
      );
      await this.sessions.end(transaction, id);
      const details = reason === null ? {} : { reason };
      await this.audit.record({ type: 'account.suspended', by, subjectId: id, details }, transaction);
    });
    for (const act of this.afterwards) await act(id);
    return this.get(id);
  }

  /** Who clears what an account has elsewhere, in the transaction that deletes the account. */
  whenDeleted(erase: (transaction: EntityManager, userId: string) => Promise<void>): void {
    this.erasures.push(erase);
  }

  /**
   * Deletes an account for good. Email, password, keys' names and known networks go at once, its agents are retired, its tasks are
   * cancelled and then deleted. What stays is the id, for what refers to it.
   * @param by an admin, or the user
   * @throws AppError `not_found`, `conflict` `LAST_ADMIN`
   */
  async delete(by: Caller, id: string): Promise<void> {
    await this.change(id, async (user, transaction) => {
      if (user.role === 'admin' && !user.suspendedAt) await this.keepAnAdmin(transaction, id);
      // A password reset locks its token before the account. This transaction locks in the same order, to avoid a deadlock.
      await transaction.query('DELETE FROM one_time_tokens WHERE user_id = $1', [id]);
      await transaction.query(DELETE, [id, NOBODYS]);
      await this.sessions.end(transaction, id);
      await transaction.query(
        `UPDATE api_keys SET name = '', revoked_at = coalesce(revoked_at, now()) WHERE user_id = $1`,
        [id],
      );
      await transaction.query('DELETE FROM known_networks WHERE user_id = $1', [id]);
      for (const erase of this.erasures) await erase(transaction, id);
      await this.audit.record({ type: 'account.deleted', by, subjectId: id }, transaction);
    });
    for (const act of this.afterwards) await act(id);
  }

  /** Lets the account log in again; ended sessions stay ended. */
  async unsuspend(by: Caller, id: string): Promise<User> {
    await this.change(id, async (user, transaction) => {
      if (!user.suspendedAt) return;
      await transaction.query(UNSUSPEND, [id]);
      await this.audit.record({ type: 'account.unsuspended', by, subjectId: id }, transaction);
    });
    return this.get(id);
  }

  /** @param by null: the operator, at the machine @throws AppError `conflict` `LAST_ADMIN` */
  async update(by: Caller | null, id: string, { role, queueWeight }: AccountChanges): Promise<User> {
    await this.change(id, async (user, transaction) => {
      const record = (type: AuditType, from: unknown, to: unknown): Promise<void> =>
        this.audit.record({ type, by: by ?? undefined, subjectId: id, details: { from, to } }, transaction);
      if (role !== undefined && role !== user.role) {
        if (user.role === 'admin' && !user.suspendedAt) await this.keepAnAdmin(transaction, id);
        await transaction.query('UPDATE users SET role = $2, access_changed_at = now() WHERE id = $1', [id, role]);
        await record('account.role_changed', user.role, role);
      }
      if (queueWeight !== undefined && queueWeight !== user.queueWeight) {
        await transaction.query('UPDATE users SET queue_weight = $2 WHERE id = $1', [id, queueWeight]);
        await record('account.queue_weight_changed', user.queueWeight, queueWeight);
      }
    });
    return this.get(id);
  }

  private async change(id: string, act: (user: User, transaction: EntityManager) => Promise<void>): Promise<void> {
    if (!isId(id)) throw notFound('account');
    await this.database.transaction(async (transaction) => {
      // One change of admins at a time: two of them may not demote each other at once.
      await transaction.query('SELECT pg_advisory_xact_lock($1)', [LOCKS.admins]);
      const user = await transaction.findOneBy(User, { id, deletedAt: IsNull() });
      if (!user) throw notFound('account');
      await act(user, transaction);
    });
    await this.revocations.tell('user.changed', id);
  }

  private async keepAnAdmin(transaction: EntityManager, except: string): Promise<void> {
    const [others] = await transaction.query<{ count: string }[]>(
      `SELECT count(*) FROM users WHERE role = 'admin' AND suspended_at IS NULL AND id <> $1`,
      [except],
    );
    if (Number(others.count) > 0) return;
    throw new AppError('conflict', 'LAST_ADMIN', 'This is the last admin: make another account admin first.');
  }
}

/** The remaining email is not a valid address, so a stranger cannot register it first and block the deletion. */
const DELETE = `
  UPDATE users
     SET email = 'deleted:' || id, password_hash = $2, role = 'user', suspended_at = coalesce(suspended_at, now()),
         suspension_reason = NULL, deleted_at = now(), access_changed_at = now()
   WHERE id = $1`;

const UNSUSPEND = `
  UPDATE users SET suspended_at = NULL, suspension_reason = NULL, access_changed_at = now() WHERE id = $1`;
