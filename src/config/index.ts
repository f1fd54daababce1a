export * from './config.module.js';
export { type Environment, parseEnvironment } from './environment.js';
export type { Installation } from './installation.js';
export type { ModelKind, OfferedModel } from './price-list.js';
export * from './run-limits.js';
export type {
  AuctionWeights,
  GeoConfig,
  LogLevel,
  OtlpProtocol,
  PaymentRule,
  Role,
  S3Config,
  ScoringStrategy,
  StorageDriver,
} from './slices.js';
export { LOG_LEVELS, PAYMENT_RULES, SCORING_STRATEGIES } from './variables.js';
