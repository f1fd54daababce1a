import { createHash } from 'node:crypto';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { DataSource, IsNull } from 'typeorm';
import { AppError, notFound } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import { MailConfig, ProtectionConfig } from '../config/index.js';
import { addressKey, type ExactLimit, RateLimits, retryAfter } from '../protection/index.js';
import { AuditTrail } from './audit-trail.js';
import type { PasswordResetDto } from './auth.dto.js';
import type { Caller } from './caller.js';
import { KnownNetworks } from './known-networks.js';
import { MAILER, type Mailer } from './mailer.js';
import { OneTimeTokens } from './one-time-tokens.js';
import { hashPassword } from './password.js';
import { Revocations } from './revocations.js';
import { Sessions } from './sessions.js';
import { User } from './user.entity.js';

const HOUR = 60 * 60;
/** Limit of mail requests from one address. */
const ASKED: ExactLimit = { name: 'reset-address', points: 20, seconds: HOUR, exact: true };
/** Limit of mails to one account, so that its mailbox is not flooded. */
const SENT: ExactLimit = { name: 'reset-account', points: 3, seconds: HOUR, exact: true };

/** New passwords for users who have lost theirs: by a token from an admin, or by mail. */
@Injectable()
export class PasswordResets implements BeforeApplicationShutdown {
  private readonly logger = new Logger('PasswordResets');
  private readonly ttl: number;
  private readonly page: string | undefined;
  private readonly rateLimits: boolean;
  /** Mails being sent. */
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    private readonly database: DataSource,
    private readonly tokens: OneTimeTokens,
    private readonly sessions: Sessions,
    private readonly revocations: Revocations,
    private readonly known: KnownNetworks,
    private readonly audit: AuditTrail,
    private readonly limits: RateLimits,
    @Inject(MAILER) private readonly mailer: Mailer | null,
    { resetTtl, resetPage }: MailConfig,
    { rateLimits }: ProtectionConfig,
  ) {
    this.ttl = resetTtl;
    this.page = resetPage;
    this.rateLimits = rateLimits;
  }

  /** A token for an account, which takes the place of its earlier ones. @throws AppError `not_found` */
  async issue(by: Caller, id: string): Promise<PasswordResetDto> {
    const user = isId(id) ? await this.accountOf({ id }) : null;
    if (!user) throw notFound('account');
    return this.make(user.id, by);
  }

  /**
   * Mails a token to the account with this email. Resolves before it is known whether there is one, so neither the answer nor its time
   * tells.
   * @throws AppError `forbidden` `MAIL_NOT_CONFIGURED`; `exhausted` `TOO_MANY_ATTEMPTS` for too many requests from one address
   */
  async forgot(email: string, address: string): Promise<void> {
    const { mailer } = this;
    if (!mailer) {
      const message = 'This installation sends no mail: ask an administrator for a link that resets your password.';
      throw new AppError('forbidden', 'MAIL_NOT_CONFIGURED', message);
    }
    if (!(await this.mayMail(email, address))) return;
    const sending = this.mail(mailer, email, address)
      .catch(({ message }: Error) => this.logger.warn(`a mail that resets a password was not sent: ${message}`))
      .finally(() => this.underWay.delete(sending));
    this.underWay.add(sending);
  }

  /**
   * Sets a new password and ends all sessions of the account. The token is used up. API keys stay.
   * @throws AppError `unprocessable` `RESET_TOKEN_INVALID`
   */
  async reset(token: string, password: string, address: string): Promise<void> {
    const userId = await this.database.transaction(async (transaction) => {
      const id = await this.tokens.spend('password_reset', token, transaction);
      if (!id) throw invalid();
      const passwordHash = await hashPassword(password);
      const { affected } = await transaction.update(User, { id, deletedAt: IsNull() }, { passwordHash });
      if (affected === 0) throw invalid();
      await this.tokens.withdraw('password_reset', id, transaction);
      await this.sessions.end(transaction, id);
      await this.known.remember(id, address, transaction);
      await this.audit.record({ type: 'account.password_reset', by: { address }, subjectId: id }, transaction);
      return id;
    });
    await this.revocations.tell('session.revoked', userId);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.underWay);
  }

  private make(userId: string, by: Partial<Pick<Caller, 'id' | 'key' | 'address'>>): Promise<PasswordResetDto> {
    return this.database.transaction(async (transaction) => {
      await this.tokens.withdraw('password_reset', userId, transaction);
      const token = await this.tokens.issue('password_reset', userId, this.ttl, transaction);
      await this.audit.record({ type: 'account.password_reset_issued', by, subjectId: userId }, transaction);
      const expires_at = new Date(Date.now() + this.ttl * 1000).toISOString();
      // Text after the # reaches no server's log.
      return { token, url: this.page ? `${this.page}#token=${token}` : null, expires_at };
    });
  }

  private async mail(mailer: Mailer, email: string, address: string): Promise<void> {
    const user = await this.accountOf({ email });
    if (!user) return;
    const { token, url } = await this.make(user.id, { address });
    await mailer.send({ to: email, subject: 'Reset your ZeroState password', text: this.text(email, token, url) });
  }

  private text(email: string, token: string, url: string | null): string {
    const how = url
      ? `Open this link and choose a new password:\n\n${url}`
      : `Send this to the server:\n\nPOST /api/v1/auth/password/reset\n{"token":"${token}","new_password":"…"}`;
    const minutes = Math.round(this.ttl / 60);
    return `Somebody, probably you, asked for a new password for the ZeroState account ${email}.

${how}

It works once, within ${minutes} minutes, and ends all logins of the account. If you did not ask for it, ignore this mail: nothing
has changed.
`;
  }

  /** Counts by address and account; unknown emails count too. */
  private async mayMail(email: string, address: string): Promise<boolean> {
    if (!this.rateLimits) return true;
    const asked = await this.limits.take(ASKED, addressKey(address));
    if (!asked.allowed) {
      const wait = retryAfter(asked);
      const message = `Too many mails were asked for from your address: try again in ${wait} s.`;
      throw new AppError('exhausted', 'TOO_MANY_ATTEMPTS', message, { retryAfter: wait });
    }
    return (await this.limits.take(SENT, createHash('sha256').update(email).digest('base64url'))).allowed;
  }

  private accountOf(where: { id: string } | { email: string }): Promise<User | null> {
    return this.database.getRepository(User).findOneBy({ ...where, deletedAt: IsNull() });
  }
}

const invalid = (): AppError =>
  new AppError('unprocessable', 'RESET_TOKEN_INVALID', 'The token is wrong, used or expired: ask for another one.');
