import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AppError } from '../common/app-error.js';
import { newId } from '../common/ids.js';
import { AuthConfig } from '../config/index.js';
import { AuditTrail } from './audit-trail.js';
import { deleteEnded } from './ended-access.js';
import { RefreshTokens } from './refresh-tokens.js';
import { Revocations } from './revocations.js';
import { Session } from './session.entity.js';
import { User } from './user.entity.js';
import { accountSuspended } from './caller.js';

/** How long a refresh whose answer was lost may be repeated, seconds. */
const GRACE = 10;

export interface OpenSession {
  user: User;
  sessionId: string;
  refreshToken: string;
  expiresAt: Date;
}

/** Logins: opened, continued by refresh tokens that work once, and ended. */
@Injectable()
export class Sessions {
  private readonly tokens: RefreshTokens;
  private readonly ttl: number;

  constructor(
    private readonly database: DataSource,
    private readonly revocations: Revocations,
    private readonly audit: AuditTrail,
    { jwtSecret, sessionTtl }: AuthConfig,
  ) {
    this.tokens = new RefreshTokens(jwtSecret);
    this.ttl = sessionTtl;
  }

  async open(user: User, transaction: EntityManager = this.database.manager): Promise<OpenSession> {
    const sessionId = newId();
    const expiresAt = new Date(Date.now() + this.ttl * 1000);
    await transaction.insert(Session, { id: sessionId, userId: user.id, expiresAt });
    return { user, sessionId, refreshToken: this.tokens.write({ sessionId, generation: 0 }), expiresAt };
  }

  /**
   * Gives the next token of the family for the current one. One that was used before means that somebody else has it
   * too: the family ends.
   * @throws AppError `unauthorised` `REFRESH_TOKEN_INVALID`; `forbidden` `ACCOUNT_SUSPENDED`
   */
  async refresh(text: string, address?: string): Promise<OpenSession> {
    const token = this.tokens.read(text);
    if (!token) throw refused();
    const outcome = await this.database.transaction(async (transaction) => {
      const [session] = await transaction.query<(SessionRow | undefined)[]>(
        `SELECT user_id, generation, expires_at, revoked_at IS NULL AND expires_at > now() AS alive,
                rotated_at > now() - $2 * interval '1 second' AS fresh
           FROM sessions WHERE id = $1 FOR UPDATE`,
        [token.sessionId, GRACE],
      );
      if (!session?.alive) return 'ended';
      const user = await transaction.findOneBy(User, { id: session.user_id });
      if (!user) return 'ended';
      if (user.suspendedAt) throw accountSuspended(user.suspensionReason);
      const repeated = token.generation === session.generation - 1 && session.fresh;
      if (token.generation !== session.generation && !repeated) {
        await transaction.query('UPDATE sessions SET revoked_at = now() WHERE id = $1', [token.sessionId]);
        const details = { session_id: token.sessionId };
        await this.audit.record(
          { type: 'session.refresh_reused', by: { address }, subjectId: user.id, details },
          transaction,
        );
        return 'reused';
      }
      if (!repeated) {
        await transaction.query('UPDATE sessions SET generation = generation + 1, rotated_at = now() WHERE id = $1', [
          token.sessionId,
        ]);
      }
      const generation = token.generation + 1;
      const refreshToken = this.tokens.write({ sessionId: token.sessionId, generation });
      return { user, sessionId: token.sessionId, refreshToken, expiresAt: session.expires_at };
    });
    if (outcome === 'reused') await this.revocations.tell('session.revoked', token.sessionId);
    if (typeof outcome === 'string') throw refused();
    return outcome;
  }

  /**
   * Ends sessions of a user, in the caller's transaction; `Revocations.tell` makes it known once that has committed.
   * @param which one of them, all of them, or all but one
   */
  async end(transaction: EntityManager, userId: string, which: { only?: string; except?: string } = {}): Promise<void> {
    await transaction.query(
      `UPDATE sessions SET revoked_at = now()
        WHERE user_id = $1 AND revoked_at IS NULL AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR id <> $3)`,
      [userId, which.only ?? null, which.except ?? null],
    );
  }

  /** Deletes up to a limit of logins that ended long enough ago. @returns how many */
  deleteOld(ageMs: number, limit: number): Promise<number> {
    return deleteEnded(this.database, 'sessions', ageMs, limit);
  }
}

interface SessionRow {
  user_id: string;
  generation: number;
  expires_at: Date;
  alive: boolean;
  fresh: boolean;
}

const refused = (): AppError =>
  new AppError('unauthorised', 'REFRESH_TOKEN_INVALID', 'The refresh token is not good any more: log in again.');
