import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AgentsApiModule } from './agents/index.js';
import { AuthApiModule } from './auth/index.js';
import { DtoPipe } from './common/dto.pipe.js';
import { ProblemFilter } from './common/problem.filter.js';
import { ConfigurationModule, type Installation } from './config/index.js';
import { DataSource } from 'typeorm';
import { assertMigrated, dataSourceOptions } from './data-source.js';
import { type PoolFigures, watchConnections } from './database/index.js';
import { LedgerApiModule } from './ledger/index.js';
import { GatewayModule } from './gateway/index.js';
import { HostCallsApiModule } from './host-calls/index.js';
import { Health, ObservabilityModule } from './observability/index.js';
import { AuctionApiModule } from './auction/index.js';
import { McpModule } from './mcp/index.js';
import { ModelsApiModule } from './models/index.js';
import { OrchestrationModule } from './orchestration/index.js';
import { SecretsApiModule } from './secrets/index.js';
import { TaskApiModule } from './task-api/index.js';
import { UploadModule } from './upload/index.js';
import { WebhooksApiModule, WebhooksModule } from './webhooks/index.js';

/** The composition root: which modules a process has follows from its roles. */
@Module({})
export class AppModule {
  constructor(dataSource: DataSource, health: Health) {
    health.register('migrations', () => assertMigrated(dataSource));
    // TypeORM's own pool, which it does not show in its types.
    watchConnections('general', (dataSource.driver as unknown as { master: PoolFigures }).master);
  }

  static forRoot(installation: Installation): DynamicModule {
    const { roles } = installation.server;
    const { url, poolSize } = installation.database;
    return {
      module: AppModule,
      imports: [
        ConfigurationModule.of(installation),
        TypeOrmModule.forRoot(dataSourceOptions(url, poolSize)),
        ObservabilityModule,
        // Express asks one route after the other: those that are called most come first.
        ...(roles.includes('api')
          ? [
              TaskApiModule,
              AuctionApiModule,
              AuthApiModule,
              AgentsApiModule,
              UploadModule,
              GatewayModule,
              HostCallsApiModule,
              LedgerApiModule,
              ModelsApiModule,
              SecretsApiModule,
              WebhooksApiModule,
              McpModule,
            ]
          : []),
        ...(roles.includes('worker') ? [OrchestrationModule, WebhooksModule] : []),
      ],
      providers: [
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_PIPE, useClass: DtoPipe },
      ],
    };
  }
}
