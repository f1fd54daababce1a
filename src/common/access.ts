import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';

/** What an API key may be allowed to do. A logged-in user may do all of it; `admin` also asks for the role. */
export const SCOPES = [
  'tasks:read',
  'tasks:write',
  'agents:read',
  'agents:write',
  'account:read',
  'account:write',
  'admin',
] as const;
export type Scope = (typeof SCOPES)[number];

/**
 * Who may call a route: everybody; whoever is logged in (no API key will do); or whoever is logged in or has an API key
 * with that scope.
 */
export type Policy = 'public' | 'session' | Scope;

/** Metadata key of a route's policy, and the member of the OpenAPI document that carries it. */
export const POLICY = 'x-access';

/** Declares a route's policy; on a controller, that of its routes without one of their own. A route without any is refused. */
export const Access = (policy: Policy) => applyDecorators(SetMetadata(POLICY, policy), ApiExtension(POLICY, policy));
