export { type Environment, parseEnvironment } from './environment.js';
export * from './installation.js';
export * from './run-limits.js';
export type {
  AuctionConfig,
  AuctionWeights,
  GeoConfig,
  LogLevel,
  OtlpProtocol,
  ProtectionConfig,
  QueueConfig,
  QuotaConfig,
  Role,
  S3Config,
  SandboxConfig,
  ScoringStrategy,
  StorageConfig,
  StorageDriver,
  TaskConfig,
  TracingConfig,
  ValidationConfig,
} from './slices.js';
export { LOG_LEVELS, SCORING_STRATEGIES } from './variables.js';
