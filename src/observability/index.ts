export { Health } from './health.js';
export { ObservabilityModule } from './observability.module.js';
export { outageLog } from './outage-log.js';
