import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ProtectionConfig, QueueConfig } from '../config/index.js';
import { limitsRedis } from './drivers/redis.js';
import { Costs } from './costs.js';
import { FailedHandshakes } from './failed-handshakes.js';
import { RateLimits } from './rate-limits.js';

const REDIS = Symbol('LimitsRedis');

@Module({
  providers: [
    Costs,
    FailedHandshakes,
    {
      provide: REDIS,
      inject: [QueueConfig, ProtectionConfig],
      useFactory: ({ redisUrl }: QueueConfig, { rateLimits }: ProtectionConfig) =>
        redisUrl && rateLimits ? limitsRedis(redisUrl) : null,
    },
    {
      provide: RateLimits,
      inject: [QueueConfig, REDIS],
      useFactory: ({ prefix }: QueueConfig, redis: ReturnType<typeof limitsRedis> | null) =>
        new RateLimits(prefix, redis ?? undefined),
    },
  ],
  exports: [Costs, FailedHandshakes, RateLimits],
})
export class ProtectionModule implements OnApplicationShutdown {
  constructor(@Inject(REDIS) private readonly redis: ReturnType<typeof limitsRedis> | null) {}

  onApplicationShutdown(): void {
    this.redis?.disconnect();
  }
}
