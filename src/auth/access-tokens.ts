import { Injectable } from '@nestjs/common';
import { JwtService, TokenExpiredError } from '@nestjs/jwt';
import { AppError } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import type { Caller } from './caller.js';

/** Signs and checks the JWTs (HS256) that carry the caller's id and role. */
@Injectable()
export class AccessTokens {
  constructor(private readonly jwt: JwtService) {}

  issue(caller: Caller): string {
    return this.jwt.sign({ role: caller.role }, { subject: caller.id });
  }

  /** @throws AppError `unauthorised` `TOKEN_EXPIRED` or `TOKEN_INVALID` */
  verify(token: string): Caller {
    const claims = this.claims(token);
    if (typeof claims.sub === 'string' && isId(claims.sub) && (claims.role === 'user' || claims.role === 'admin')) {
      return { id: claims.sub, role: claims.role };
    }
    throw invalid();
  }

  private claims(token: string): { sub?: unknown; role?: unknown } {
    try {
      return this.jwt.verify(token);
    } catch (error) {
      if (error instanceof TokenExpiredError) {
        throw new AppError('unauthorised', 'TOKEN_EXPIRED', 'The access token has expired: log in again.');
      }
      throw invalid();
    }
  }
}

const invalid = (): AppError =>
  new AppError('unauthorised', 'TOKEN_INVALID', 'The access token is not valid: log in again.');
