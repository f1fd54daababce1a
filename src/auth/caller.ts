import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { AppError } from '../common/app-error.js';
import type { UserRole } from './user.entity.js';

/** Who makes the request, as the access token says. */
export interface Caller {
  /** User id. */
  id: string;
  role: UserRole;
}

/** Controller parameter: the authenticated caller. */
export const CurrentCaller = createParamDecorator(
  (_: unknown, context: ExecutionContext): Caller => context.switchToHttp().getRequest<{ caller: Caller }>().caller,
);

/** For a token that outlived its account. */
export const accountGone = (): AppError =>
  new AppError('unauthorised', 'ACCOUNT_GONE', 'The account of this access token is gone: log in with another.');

/** Whether the caller may see and change what belongs to `ownerId`. */
export const owns = (caller: Caller, ownerId: string): boolean => caller.role === 'admin' || caller.id === ownerId;
