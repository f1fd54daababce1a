export { OrchestrationModule } from './orchestration.module.js';
export { Worker } from './worker.js';
