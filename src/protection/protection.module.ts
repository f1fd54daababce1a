import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/index.js';
import { limitsRedis } from './drivers/redis.js';
import { FailedHandshakes } from './failed-handshakes.js';
import { RateLimits } from './rate-limits.js';

const REDIS = Symbol('LimitsRedis');

@Module({
  providers: [
    FailedHandshakes,
    {
      provide: REDIS,
      inject: [ConfigService],
      useFactory: (config: ConfigService<Environment, true>) => {
        const { redisUrl } = config.get('queue', { infer: true });
        const { rateLimits } = config.get('protection', { infer: true });
        return redisUrl && rateLimits ? limitsRedis(redisUrl) : null;
      },
    },
    {
      provide: RateLimits,
      inject: [ConfigService, REDIS],
      useFactory: (config: ConfigService<Environment, true>, redis: ReturnType<typeof limitsRedis> | null) =>
        new RateLimits(config.get('queue', { infer: true }).prefix, redis ?? undefined),
    },
  ],
  exports: [FailedHandshakes, RateLimits],
})
export class ProtectionModule implements OnApplicationShutdown {
  constructor(@Inject(REDIS) private readonly redis: ReturnType<typeof limitsRedis> | null) {}

  onApplicationShutdown(): void {
    this.redis?.disconnect();
  }
}
