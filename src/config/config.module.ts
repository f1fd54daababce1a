import { type DynamicModule, Module } from '@nestjs/common';
import type { Installation } from './installation.js';

/** A class with the members of `Slice` as its type: constructor parameters of that type need no `@Inject`. */
const slice = <Slice extends object>() => class {} as unknown as abstract new () => Slice;

// Each class is the type of one slice and the token that Nest injects it by. The values are plain objects.
export abstract class ServerConfig extends slice<Installation['server']>() {}
export abstract class MetricsConfig extends slice<Installation['metrics']>() {}
export abstract class TracingConfig extends slice<Installation['tracing']>() {}
export abstract class DatabaseConfig extends slice<Installation['database']>() {}
export abstract class QueueConfig extends slice<Installation['queue']>() {}
export abstract class StorageConfig extends slice<Installation['storage']>() {}
export abstract class QuotaConfig extends slice<Installation['quotas']>() {}
export abstract class AuthConfig extends slice<Installation['auth']>() {}
export abstract class MailConfig extends slice<Installation['mail']>() {}
export abstract class ProtectionConfig extends slice<Installation['protection']>() {}
export abstract class GatewayConfig extends slice<Installation['gateway']>() {}
export abstract class TaskConfig extends slice<Installation['tasks']>() {}
export abstract class MarketConfig extends slice<Installation['market']>() {}
export abstract class HostCallConfig extends slice<Installation['hostCalls']>() {}
export abstract class LedgerConfig extends slice<Installation['ledger']>() {}
export abstract class AuctionConfig extends slice<Installation['auction']>() {}
export abstract class SandboxConfig extends slice<Installation['sandbox']>() {}
export abstract class ValidationConfig extends slice<Installation['validation']>() {}
export abstract class McpConfig extends slice<Installation['mcp']>() {}
export abstract class WebhookConfig extends slice<Installation['webhooks']>() {}
export abstract class EgressConfig extends slice<Installation['egress']>() {}
export abstract class ModelConfig extends slice<Installation['llm']>() {}
export abstract class SecretsConfig extends slice<Installation['secrets']>() {}
export abstract class ScannerConfig extends slice<Installation['scanner']>() {}

type Tokens = { [Name in keyof Installation]: abstract new () => Installation[Name] };

const TOKENS: Tokens = {
  server: ServerConfig,
  metrics: MetricsConfig,
  tracing: TracingConfig,
  database: DatabaseConfig,
  queue: QueueConfig,
  storage: StorageConfig,
  quotas: QuotaConfig,
  auth: AuthConfig,
  mail: MailConfig,
  protection: ProtectionConfig,
  gateway: GatewayConfig,
  tasks: TaskConfig,
  market: MarketConfig,
  hostCalls: HostCallConfig,
  ledger: LedgerConfig,
  auction: AuctionConfig,
  sandbox: SandboxConfig,
  validation: ValidationConfig,
  mcp: McpConfig,
  webhooks: WebhookConfig,
  egress: EgressConfig,
  llm: ModelConfig,
  secrets: SecretsConfig,
  scanner: ScannerConfig,
};

/** Provides every configuration slice to every module. */
@Module({})
export class ConfigurationModule {
  static of(installation: Installation): DynamicModule {
    const names = Object.keys(TOKENS) as (keyof Installation)[];
    return {
      module: ConfigurationModule,
      global: true,
      providers: names.map((name) => ({ provide: TOKENS[name], useValue: installation[name] })),
      exports: Object.values(TOKENS),
    };
  }
}
