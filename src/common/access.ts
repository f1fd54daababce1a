import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';

/** What an API key may be allowed to do. A logged-in user may do all of it; `admin` also requires the role. */
export const SCOPES = [
  'tasks:read',
  'tasks:write',
  'agents:read',
  'agents:write',
  'account:read',
  'account:write',
  'ledger:read',
  'ledger:write',
  'admin',
] as const;
export type Scope = (typeof SCOPES)[number];

/** Who may call a route: everybody; logged-in users (no API keys); or logged-in users and API keys with that scope. */
export type Policy = 'public' | 'session' | Scope;

/** Metadata key of a route's policy, and the member of the OpenAPI document that holds it. */
export const POLICY = 'x-access';

/**
 * Declares a route's policy. On a controller it applies to routes without their own. A route without any policy is
 * refused.
 */
export const Access = (policy: Policy) => applyDecorators(SetMetadata(POLICY, policy), ApiExtension(POLICY, policy));
