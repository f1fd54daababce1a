export { OrchestrationModule } from './orchestration.module.js';
export { Worker } from './worker.js';
export { AuctionModule } from './auction/auction.module.js';
