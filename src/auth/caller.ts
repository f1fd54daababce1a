import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Scope } from '../common/access.js';
import { AppError } from '../common/app-error.js';
import type { UserRole } from './user.entity.js';

/** The caller of a request. */
export interface Caller {
  /** User id. */
  id: string;
  /** An API key acts as an admin only with the scope `admin`. */
  role: UserRole;
  /** Set for a login's access token: the session it belongs to. */
  sessionId?: string;
  /** Set for an API key: which, and what it may do. */
  key?: { id: string; scopes: readonly Scope[] };
  /** When the token or key expires, milliseconds since the epoch; `Infinity` for a key that does not. */
  expiresAt: number;
  /** Where the request comes from; unset if no request caused it. */
  address?: string;
}

/** Controller parameter: the authenticated caller. */
export const CurrentCaller = createParamDecorator(
  (_: unknown, context: ExecutionContext): Caller => context.switchToHttp().getRequest<{ caller: Caller }>().caller,
);

/** For a token that outlived its account. */
export const accountGone = (): AppError =>
  new AppError('unauthorised', 'ACCOUNT_GONE', 'The account of this access token is gone: log in with another.');

/** @param reason as the admin gave it */
export const accountSuspended = (reason: string | null): AppError =>
  new AppError(
    'forbidden',
    'ACCOUNT_SUSPENDED',
    `This account is suspended${reason ? ` (${reason})` : ''}: ask an administrator of this installation.`,
  );

export const tokenExpired = (): AppError =>
  new AppError(
    'unauthorised',
    'TOKEN_EXPIRED',
    'The access token has expired: refresh it (POST /api/v1/auth/refresh), or log in again.',
  );

export const keyRefused = (): AppError =>
  new AppError('unauthorised', 'API_KEY_INVALID', 'The API key is wrong, expired or revoked.');

/** @throws AppError `forbidden` `SCOPE_REQUIRED` for an API key that may not do this */
export function assertScope(caller: Caller, scope: Scope): void {
  if (!caller.key || caller.key.scopes.includes(scope)) return;
  throw new AppError('forbidden', 'SCOPE_REQUIRED', `This API key lacks the scope ${scope}.`);
}

export const roleRequired = (): AppError => new AppError('forbidden', 'ROLE_REQUIRED', 'This needs the role admin.');

/** Whether the caller may see and change what belongs to `ownerId`. */
export const owns = (caller: Caller, ownerId: string): boolean => caller.role === 'admin' || caller.id === ownerId;
