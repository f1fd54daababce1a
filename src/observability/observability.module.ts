import { Global, Module } from '@nestjs/common';
import { Health } from './health.js';
import { HealthController } from './health.controller.js';

/** Global, since every module reports here and none of the market's business passes through. */
@Global()
@Module({
  controllers: [HealthController],
  providers: [Health],
  exports: [Health],
})
export class ObservabilityModule {}
