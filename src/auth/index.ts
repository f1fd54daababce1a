export { AccessTokens } from './access-tokens.js';
export { ApiKey } from './api-key.entity.js';
export { AuditEvent } from './audit-event.entity.js';
export { AuthModule } from './auth.module.js';
export { AuthService } from './auth.service.js';
export { accountGone, type Caller, CurrentCaller, owns } from './caller.js';
export { Revocations } from './revocations.js';
export { Session } from './session.entity.js';
export { User, type UserRole } from './user.entity.js';
