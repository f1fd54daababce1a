export { Health } from './health.js';
export { ObservabilityModule } from './observability.module.js';
