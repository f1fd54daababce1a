export { EGRESS, type Egress, type EgressOutcome, EgressRefusal, type EgressSecret } from './egress.js';
export { EgressModule } from './egress.module.js';
export { judgeHop, permittedTarget } from './hop.js';
export { secretNames } from './request-headers.js';
