export { EGRESS, type Egress, type EgressOutcome } from './egress.js';
export { EgressModule } from './egress.module.js';
export { secretNames } from './request-headers.js';
