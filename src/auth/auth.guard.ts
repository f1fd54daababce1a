import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { PUBLIC } from '../common/access.js';
import { AppError } from '../common/app-error.js';
import { AccessTokens } from './access-tokens.js';
import type { Caller } from './caller.js';
import type { UserRole } from './user.entity.js';

const ROLE = 'auth:role';

/** Lets a route be called without a token. Everything else is denied by default. */
export const Public = () => SetMetadata(PUBLIC, true);

/** Asks for a role beyond being logged in. */
export const RequireRole = (role: UserRole) => SetMetadata(ROLE, role);

/** The application-wide guard: who are you (401), and may you (403). */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: AccessTokens,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const targets = [context.getHandler(), context.getClass()];
    // WebSocket messages belong to a connection that the handshake has already authenticated.
    if (context.getType() !== 'http' || this.reflector.getAllAndOverride<boolean>(PUBLIC, targets)) return true;
    const request = context.switchToHttp().getRequest<Request & { caller: Caller }>();
    request.caller = this.tokens.verify(bearerToken(request));
    const role = this.reflector.getAllAndOverride<UserRole | undefined>(ROLE, targets);
    if (role && request.caller.role !== role) {
      throw new AppError('forbidden', 'ROLE_REQUIRED', `This needs the role ${role}.`);
    }
    return true;
  }
}

function bearerToken(request: Request): string {
  const match = /^Bearer ([\w.-]+)$/i.exec(request.headers.authorization ?? '');
  if (match) return match[1];
  throw new AppError(
    'unauthorised',
    'TOKEN_MISSING',
    'Send `Authorization: Bearer <access_token>`; POST /api/v1/auth/login answers one.',
  );
}
