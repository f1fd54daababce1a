import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { POLICY, type Policy } from '../common/access.js';
import { AppError } from '../common/app-error.js';
import { addToWorkContext } from '../common/work-context.js';
import { AccessTokens } from './access-tokens.js';
import { ApiKeys, KEY_PREFIX } from './api-keys.service.js';
import { assertScope, type Caller, roleRequired } from './caller.js';
import { RequestLimits } from './request-limits.js';

/** The application-wide guard: identity (401), permission (403), rate (429). Denies what no policy allows. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: AccessTokens,
    private readonly keys: ApiKeys,
    private readonly limits: RequestLimits,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // The handshake has already authenticated the connection of a WebSocket message.
    if (context.getType() !== 'http') return true;
    const targets = [context.getHandler(), context.getClass()];
    const policy = this.reflector.getAllAndOverride<Policy | undefined>(POLICY, targets);
    const request = context.switchToHttp().getRequest<Request & { caller?: Caller }>();
    try {
      if (policy !== 'public') request.caller = { ...(await this.authenticate(request)), address: request.ip };
    } finally {
      // Failed authentications count by address.
      await this.limits.take(request, context.switchToHttp().getResponse<Response>(), request.caller?.id);
    }
    addToWorkContext({ user_id: request.caller?.id });
    if (policy !== 'public') permit(request.caller!, policy);
    return true;
  }

  private async authenticate(request: Request): Promise<Caller> {
    const key = request.headers['x-api-key'];
    if (typeof key === 'string' && request.headers.authorization === undefined) return this.keys.authenticate(key);
    const token = bearerToken(request);
    if (token?.startsWith(KEY_PREFIX)) return this.keys.authenticate(token);
    if (token !== undefined) return this.tokens.verify(token);
    throw new AppError(
      'unauthorised',
      'TOKEN_MISSING',
      'Send `Authorization: Bearer` with an access token (POST /api/v1/auth/login answers one) or an API key.',
    );
  }
}

/** @throws AppError `forbidden` */
function permit(caller: Caller, policy: Exclude<Policy, 'public'> | undefined): void {
  if (!policy) throw new AppError('forbidden', 'NO_POLICY', 'Nobody may call this: the route declares no policy.');
  if (policy === 'session') {
    if (caller.sessionId) return;
    throw new AppError(
      'forbidden',
      'LOGIN_REQUIRED',
      'This route does not accept API keys: log in and use the access token.',
    );
  }
  assertScope(caller, policy);
  if (policy === 'admin' && caller.role !== 'admin') throw roleRequired();
}

export const bearerToken = ({ headers }: Request): string | undefined =>
  /^Bearer ([\w.-]+)$/i.exec(headers.authorization ?? '')?.[1];
