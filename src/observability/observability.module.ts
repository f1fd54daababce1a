import { Global, Module } from '@nestjs/common';
import { FreeDisk } from './free-disk.js';
import { Health } from './health.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { OperationsServer } from './operations-server.js';

/** Global, because every module reports here and it contains no business logic. */
@Global()
@Module({
  controllers: [HealthController, MetricsController],
  providers: [FreeDisk, Health, OperationsServer],
  exports: [FreeDisk, Health],
})
export class ObservabilityModule {}
