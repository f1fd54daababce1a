export { ExecutionModule } from './execution.module.js';
export type { RunLimits, RunOutcome, RunPlace, RunReport, RunRequest } from './run.js';
export { lowestOf, RUN_ENDS, toRunLimits } from './run.js';
export { SandboxService } from './sandbox.service.js';
