export { addressKey, soundAddress } from './address.js';
export { admitEveryRequest, lacksHeaders, refuseManyHeaders } from './every-request.js';
export { FailedHandshakes } from './failed-handshakes.js';
export { guardAgainstFloods } from './flood-guard.js';
export { shedLoad } from './load-shedder.js';
export { ProtectionModule } from './protection.module.js';
export { type ExactLimit, type Limit, RateLimits, type Verdict } from './rate-limits.js';
export { limitAnswerTime, limitBodyTime, limitConnections } from './slow-requests.js';
export { isBinary, isStreamed, isStreamedJson } from './streamed-bodies.js';
