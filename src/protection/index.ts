export { addressKey } from './address.js';
export { guardAgainstFloods } from './flood-guard.js';
export { shedLoad } from './load-shedder.js';
export { ProtectionModule } from './protection.module.js';
export { type Limit, RateLimits, type Verdict } from './rate-limits.js';
export { limitBodyTime, limitConnections } from './slow-requests.js';
export { isStreamed, isStreamedJson } from './streamed-bodies.js';
