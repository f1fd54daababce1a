import { Injectable } from '@nestjs/common';
import { JwtService, TokenExpiredError } from '@nestjs/jwt';
import { AppError } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import type { Caller } from './caller.js';
import { Revocations } from './revocations.js';

/** Signs and checks the JWTs (HS256) that carry the caller's id, role and session. */
@Injectable()
export class AccessTokens {
  constructor(
    private readonly jwt: JwtService,
    private readonly revocations: Revocations,
  ) {}

  issue(caller: { id: string; role: Caller['role']; sessionId: string }): string {
    return this.jwt.sign({ role: caller.role, sid: caller.sessionId }, { subject: caller.id });
  }

  /**
   * @throws AppError `unauthorised` `TOKEN_EXPIRED`, `TOKEN_INVALID` or `SESSION_REVOKED`; `forbidden`
   * `ACCOUNT_SUSPENDED`
   */
  verify(token: string): Caller {
    const { sub, sid, role } = this.claims(token);
    const ids = typeof sub === 'string' && isId(sub) && typeof sid === 'string' && isId(sid);
    if (!ids || (role !== 'user' && role !== 'admin')) throw invalid();
    return this.revocations.admit({ id: sub, role, sessionId: sid });
  }

  private claims(token: string): { sub?: unknown; sid?: unknown; role?: unknown } {
    try {
      return this.jwt.verify(token);
    } catch (error) {
      if (error instanceof TokenExpiredError) {
        throw new AppError(
          'unauthorised',
          'TOKEN_EXPIRED',
          'The access token has expired: refresh it (POST /api/v1/auth/refresh), or log in again.',
        );
      }
      throw invalid();
    }
  }
}

const invalid = (): AppError =>
  new AppError('unauthorised', 'TOKEN_INVALID', 'The access token is not valid: log in again.');
