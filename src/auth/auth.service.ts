import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AppError } from '../common/app-error.js';
import { newId } from '../common/ids.js';
import { AuthConfig } from '../config/index.js';
import { violatedConstraint } from '../database/index.js';
import { AccountsService } from './accounts.service.js';
import { AuditTrail } from './audit-trail.js';
import { type Caller, accountGone, accountSuspended } from './caller.js';
import { KnownNetworks } from './known-networks.js';
import { type Attempt, LoginThrottle } from './login-throttle.js';
import { OneTimeTokens } from './one-time-tokens.js';
import { hashPassword, verifyPassword } from './password.js';
import { RegistrationCaps } from './registration-caps.js';
import { Revocations } from './revocations.js';
import { type OpenSession, Sessions } from './sessions.js';
import { User, type UserRole } from './user.entity.js';

/** Registration, login, logout, and the password. */
@Injectable()
export class AuthService {
  private readonly open: boolean;

  constructor(
    private readonly database: DataSource,
    private readonly accounts: AccountsService,
    private readonly sessions: Sessions,
    private readonly revocations: Revocations,
    private readonly audit: AuditTrail,
    private readonly throttle: LoginThrottle,
    private readonly known: KnownNetworks,
    private readonly caps: RegistrationCaps,
    private readonly tokens: OneTimeTokens,
    { openRegistration }: AuthConfig,
  ) {
    this.open = openRegistration;
  }

  /**
   * Opens an account and logs it in.
   * @throws AppError `forbidden` `REGISTRATION_CLOSED`; `conflict` `EMAIL_TAKEN`, which counts as a failed attempt, so that
   * nobody tries long lists of emails; `exhausted` `TOO_MANY_ATTEMPTS` or `TOO_MANY_REGISTRATIONS`
   */
  async register(email: string, password: string, address: string): Promise<OpenSession> {
    if (!this.open) {
      const detail = 'Registration is closed here: ask an administrator for an account.';
      throw new AppError('forbidden', 'REGISTRATION_CLOSED', detail);
    }
    const attempt = await this.attempt(email, address);
    const session = await this.caps.within(address, async () => {
      const passwordHash = await hashPassword(password);
      return this.database.transaction(async (transaction) => {
        const user = await this.insert({ email, passwordHash, role: 'user', selfRegistered: true }, transaction);
        const by = { id: user.id, address };
        await this.audit.record({ type: 'account.registered', by, subjectId: user.id }, transaction);
        await this.known.remember(user.id, address, transaction);
        return this.sessions.open(user, transaction);
      });
    });
    await attempt.succeeded();
    return session;
  }

  /**
   * Opens an account without logging it in.
   * @param by the admin who does; unset: the first start
   * @throws AppError `conflict` `EMAIL_TAKEN`
   */
  async create(email: string, password: string, role: UserRole, by?: Caller): Promise<User> {
    const passwordHash = await hashPassword(password);
    return this.database.transaction(async (transaction) => {
      const user = await this.insert({ email, passwordHash, role }, transaction);
      await this.audit.record({ type: 'account.created', by, subjectId: user.id, details: { role } }, transaction);
      return user;
    });
  }

  /**
   * @throws AppError `unauthorised` `WRONG_CREDENTIALS`, the same for an unknown email and a wrong password; `exhausted`
   * `TOO_MANY_ATTEMPTS`; `forbidden` `ACCOUNT_SUSPENDED`, to those who know the password only
   */
  async login(email: string, password: string, address: string): Promise<OpenSession> {
    const attempt = await this.attempt(email, address);
    const user = await this.database.getRepository(User).findOneBy({ email });
    const matches = await verifyPassword(user?.passwordHash, password);
    const outcome = user && matches ? await this.openSession(user, address) : 'wrong';
    if (outcome === 'wrong') {
      await this.audit.record({ type: 'login.failed', by: { address }, subjectId: user?.id });
      throw wrongCredentials();
    }
    await attempt.succeeded();
    if (outcome === 'suspended') {
      const details = { reason: 'suspended' };
      await this.audit.record({ type: 'login.failed', by: { address }, subjectId: user?.id, details });
      throw accountSuspended(user?.suspensionReason ?? null);
    }
    return outcome;
  }

  /** Ends the caller's session, or all sessions of the caller. */
  async logout(caller: Caller, everywhere: boolean): Promise<void> {
    await this.database.transaction(async (transaction) => {
      await this.sessions.end(transaction, caller.id, everywhere ? {} : { only: caller.sessionId });
      const type = everywhere ? 'session.all_ended' : 'session.ended';
      const details = everywhere ? {} : { session_id: caller.sessionId };
      await this.audit.record({ type, by: caller, subjectId: caller.id, details }, transaction);
    });
    await this.revocations.tell('session.revoked', caller.sessionId ?? caller.id);
  }

  /**
   * Changes the password, ends all other sessions of the caller and withdraws tokens that would set another password.
   * @throws AppError `unprocessable` `WRONG_PASSWORD`; `exhausted` `TOO_MANY_ATTEMPTS`
   */
  async changePassword(caller: Caller, current: string, next: string): Promise<void> {
    const user = await this.assertPassword(caller, current);
    const passwordHash = await hashPassword(next);
    await this.database.transaction(async (transaction) => {
      await this.tokens.withdraw('password_reset', user.id, transaction);
      // The check takes a while: the password may have changed meanwhile.
      const checked = { id: user.id, passwordHash: user.passwordHash };
      const { affected } = await transaction.update(User, checked, { passwordHash });
      if (affected === 0) throw wrongPassword();
      await this.sessions.end(transaction, user.id, { except: caller.sessionId });
      await this.audit.record({ type: 'account.password_changed', by: caller, subjectId: user.id }, transaction);
    });
    await this.revocations.tell('session.revoked', user.id);
  }

  /** Deletes the caller's account, the password given once more. @throws AppError as `changePassword`; `conflict` `LAST_ADMIN` */
  async deleteAccount(caller: Caller, password: string): Promise<void> {
    await this.assertPassword(caller, password);
    await this.accounts.delete(caller, caller.id);
  }

  private async assertPassword(caller: Caller, password: string): Promise<User> {
    const user = await this.byId(caller.id);
    const attempt = await this.attempt(user.email, caller.address);
    if (!(await verifyPassword(user.passwordHash, password))) {
      await this.audit.record({ type: 'account.password_refused', by: caller, subjectId: user.id });
      throw wrongPassword();
    }
    await attempt.succeeded();
    return user;
  }

  /** @throws AppError `unauthorised` `ACCOUNT_GONE` */
  async byId(id: string): Promise<User> {
    const user = await this.database.getRepository(User).findOneBy({ id });
    if (!user || user.deletedAt) throw accountGone();
    return user;
  }

  /** The oldest account with the role `admin`, if any. */
  firstAdmin(): Promise<User | null> {
    return this.database.getRepository(User).findOne({ where: { role: 'admin' }, order: { id: 'ASC' } });
  }

  /**
   * Opens a session if the account still is as it was when its password was checked. It is held so until the session is there:
   * who changes the password or suspends the account meanwhile comes before, and this opens nothing, or after, and ends it.
   */
  private openSession(checked: User, address: string): Promise<OpenSession | 'wrong' | 'suspended'> {
    const { id, passwordHash } = checked;
    return this.database.transaction(async (transaction) => {
      const user = await transaction.findOne(User, { where: { id, passwordHash }, lock: { mode: 'pessimistic_read' } });
      if (!user) return 'wrong';
      if (user.suspendedAt) return 'suspended';
      const session = await this.sessions.open(user, transaction);
      await this.known.remember(id, address, transaction);
      const details = { session_id: session.sessionId };
      await this.audit.record({ type: 'login.succeeded', by: { id, address }, subjectId: id, details }, transaction);
      return session;
    });
  }

  private async attempt(email: string, address?: string): Promise<Attempt> {
    const attempt = await this.throttle.attempt(email, address);
    if ('succeeded' in attempt) return attempt;
    const { limit, isFirst, retryAfter } = attempt;
    if (isFirst) {
      const user = await this.database.getRepository(User).findOneBy({ email });
      await this.audit.record({ type: 'login.throttled', by: { address }, subjectId: user?.id, details: { limit } });
    }
    throw new AppError('exhausted', 'TOO_MANY_ATTEMPTS', `Too many attempts failed: try again in ${retryAfter} s.`, {
      retryAfter,
    });
  }

  private async insert(
    values: Pick<User, 'email' | 'passwordHash' | 'role'> & Partial<Pick<User, 'selfRegistered'>>,
    transaction: EntityManager,
  ): Promise<User> {
    const id = newId();
    try {
      await transaction.insert(User, { id, ...values });
    } catch (error) {
      if (violatedConstraint(error) !== 'users_email_key') throw error;
      throw new AppError('conflict', 'EMAIL_TAKEN', 'There is an account with this email: log in, or use another.');
    }
    await this.accounts.opened(transaction, id);
    return transaction.findOneByOrFail(User, { id });
  }
}

const wrongCredentials = (): AppError =>
  new AppError('unauthorised', 'WRONG_CREDENTIALS', 'Email or password is wrong.');

const wrongPassword = (): AppError => new AppError('unprocessable', 'WRONG_PASSWORD', 'The current password is wrong.');
