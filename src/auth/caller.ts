import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
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

/** Whether the caller may see and change what belongs to `ownerId`. */
export const owns = (caller: Caller, ownerId: string): boolean => caller.role === 'admin' || caller.id === ownerId;
