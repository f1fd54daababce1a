export { AdmissionControl } from './admission-control.js';
export { Enqueuer } from './enqueuer.js';
export { FairShare } from './fair-share.js';
export { Orphans } from './orphans.js';
export { SchedulingModule } from './scheduling.module.js';
export { ShutOutAccounts } from './shut-out-accounts.js';
export { Sweeper } from './sweeper.js';
