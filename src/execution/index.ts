export { ExecutionModule } from './execution.module.js';
export type { Metering, RunLimits, RunOutcome, RunReport, RunRequest, TrapKind } from './run.js';
export { lowestOf, RUN_ENDS, toRunLimits } from './run.js';
export { SandboxService } from './sandbox.service.js';
