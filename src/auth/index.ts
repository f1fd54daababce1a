export { AccessTokens } from './access-tokens.js';
export { RequireRole } from './auth.guard.js';
export { AuthModule } from './auth.module.js';
export { AuthService } from './auth.service.js';
export { accountGone, type Caller, CurrentCaller, owns } from './caller.js';
export { User, type UserRole } from './user.entity.js';
