export { addressKey } from './address.js';
export { ProtectionModule } from './protection.module.js';
export { type Limit, RateLimits, type Verdict } from './rate-limits.js';
