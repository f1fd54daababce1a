import { Injectable } from '@nestjs/common';
import { JwtService, TokenExpiredError } from '@nestjs/jwt';
import { AppError } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import { type Caller, tokenExpired } from './caller.js';
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
    const { sub, sid, role, exp, aud } = this.claims(token);
    const ids = typeof sub === 'string' && isId(sub) && typeof sid === 'string' && isId(sid);
    // A token with an audience was made for something narrower than the API.
    if (!ids || (role !== 'user' && role !== 'admin') || typeof exp !== 'number' || aud !== undefined) throw invalid();
    return this.revocations.admit({ id: sub, role, sessionId: sid, expiresAt: exp * 1000 });
  }

  private claims(token: string): Partial<Record<'sub' | 'sid' | 'role' | 'exp' | 'aud', unknown>> {
    try {
      return this.jwt.verify(token);
    } catch (error) {
      throw error instanceof TokenExpiredError ? tokenExpired() : invalid();
    }
  }
}

const invalid = (): AppError =>
  new AppError('unauthorised', 'TOKEN_INVALID', 'The access token is not valid: log in again.');
