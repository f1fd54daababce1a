import { Injectable } from '@nestjs/common';
import { JwtService, TokenExpiredError } from '@nestjs/jwt';
import { LRUCache } from 'lru-cache';
import { AppError } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import { AuthConfig } from '../config/index.js';
import { type Caller, tokenExpired } from './caller.js';
import { Revocations } from './revocations.js';

/** Audience of the pass in a link to the queue's dashboard; it is exchanged for one cookie. */
export const DASHBOARD_LINK = 'queue-dashboard-link';
/** Audience of the pass in that cookie; it is good for the pages only. */
export const DASHBOARD_COOKIE = 'queue-dashboard-cookie';

/** Number of tokens remembered as genuine. */
const MOST_VERIFIED = 10_000;

/** Signs and checks the JWTs (HS256) that carry the caller's id, role and session. */
@Injectable()
export class AccessTokens {
  /** A client sends one token with many requests: signature and claims are checked once. */
  private readonly verified = new LRUCache<string, Caller>({ max: MOST_VERIFIED });
  private readonly ttl: number;

  constructor(
    private readonly jwt: JwtService,
    private readonly revocations: Revocations,
    { accessTokenTtl }: AuthConfig,
  ) {
    this.ttl = accessTokenTtl;
  }

  /**
   * @param sessionEndsAt unset: a session that outlives any token
   * @returns the token, and in how many seconds it expires: no later than its session
   */
  issue(
    { id, role, sessionId }: { id: string; role: Caller['role']; sessionId: string },
    sessionEndsAt?: Date,
  ): { token: string; expiresIn: number } {
    const left = sessionEndsAt ? Math.floor((sessionEndsAt.getTime() - Date.now()) / 1000) : Infinity;
    const expiresIn = Math.max(0, Math.min(this.ttl, left));
    return { token: this.jwt.sign({ role, sid: sessionId }, { subject: id, expiresIn }), expiresIn };
  }

  /**
   * @throws AppError `unauthorised` `TOKEN_EXPIRED`, `TOKEN_INVALID` or `SESSION_REVOKED`; `forbidden`
   * `ACCOUNT_SUSPENDED`
   */
  verify(token: string): Caller {
    const caller = this.verified.get(token) ?? this.check(token);
    return this.revocations.admit(caller);
  }

  private check(token: string): Caller {
    const { sub, sid, role, aud, expiresAt } = this.claims(token);
    const ids = typeof sub === 'string' && isId(sub) && typeof sid === 'string' && isId(sid);
    // A token with an audience was made for something narrower than the API.
    if (!ids || (role !== 'user' && role !== 'admin') || aud !== undefined) throw invalid();
    const caller: Caller = { id: sub, role, sessionId: sid, expiresAt };
    this.verified.set(token, caller);
    return caller;
  }

  /**
   * A token for one page of the server's own, which the API does not take. It ends with the token or key that it is asked for with.
   * @param audience the page
   * @param seconds how long it is good at most; unset: as long as an access token, the longest that a revocation is remembered
   * @param jwtid a one-time token that the page spends when the pass is used
   */
  issuePass(
    { id, role, sessionId, key, expiresAt }: Caller,
    audience: string,
    { seconds = this.ttl, jwtid }: { seconds?: number; jwtid?: string } = {},
  ): string {
    const left = Math.floor((expiresAt - Date.now()) / 1000);
    return this.jwt.sign(
      { role, sid: sessionId, key, access_ends_at: Number.isFinite(expiresAt) ? expiresAt : undefined },
      { subject: id, audience, expiresIn: Math.min(seconds, left), ...(jwtid && { jwtid }) },
    );
  }

  /**
   * @returns the caller it was issued for, as that caller may act now; `expiresAt` is that of the token or key it was asked for with.
   *   `jwtid` as it was issued.
   * @throws AppError as `verify`
   */
  verifyPass(pass: string, audience: string): Caller & { jwtid?: string } {
    const { sub, sid, role, aud, jti, key, access_ends_at: endsAt, expiresAt } = this.claims(pass);
    if (aud !== audience || typeof sub !== 'string') throw invalid();
    // Signed by us for exactly this: its members are as `issuePass` wrote them.
    const caller = this.revocations.admit({ id: sub, role, sessionId: sid, key, expiresAt } as Caller);
    return { ...caller, expiresAt: (endsAt as number | undefined) ?? Infinity, jwtid: jti as string | undefined };
  }

  /**
   * What is signed in a token, and when it ends. One that was issued while `ACCESS_TOKEN_TTL` was longer ends as one of today's:
   * revocations are not remembered for longer.
   */
  private claims(token: string): Claims & { expiresAt: number } {
    const { iat, exp, ...claims } = this.genuine(token);
    if (typeof iat !== 'number' || typeof exp !== 'number') throw invalid();
    return { ...claims, expiresAt: Math.min(exp, iat + this.ttl) * 1000 };
  }

  private genuine(token: string): Claims & { iat?: unknown; exp?: unknown } {
    try {
      return this.jwt.verify(token);
    } catch (error) {
      throw error instanceof TokenExpiredError ? tokenExpired() : invalid();
    }
  }
}

type Claims = Partial<Record<'sub' | 'sid' | 'role' | 'aud' | 'jti' | 'key' | 'access_ends_at', unknown>>;

const invalid = (): AppError =>
  new AppError('unauthorised', 'TOKEN_INVALID', 'The access token is not valid: log in again.');
