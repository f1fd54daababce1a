import { BullModule } from '@nestjs/bullmq';
import { Inject, Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Installation } from '../config/index.js';
import { Health } from '../observability/index.js';
import { QueueDashboard } from './dashboard.js';
import { BullmqConsumer, TASKS } from './drivers/bullmq-consumer.js';
import { BullmqDashboard } from './drivers/bullmq-dashboard.js';
import { BullmqTaskQueue } from './drivers/bullmq-task-queue.js';
import { postgresConnection } from './drivers/postgres/connection.js';
import { redisConnection } from './drivers/redis/connection.js';
import { TASK_QUEUE, type TaskQueue } from './task-queue.js';

export { evictionPolicy } from './drivers/redis/connection.js';

@Module({
  imports: [
    BullModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService<Installation, true>) => {
        const { redisUrl, prefix } = config.get('queue', { infer: true });
        const connection = redisUrl
          ? redisConnection(redisUrl)
          : postgresConnection(config.get('database', { infer: true }).url, prefix);
        return { connection, prefix };
      },
    }),
    BullModule.registerQueue({ name: TASKS }),
  ],
  providers: [
    BullmqConsumer,
    { provide: QueueDashboard, useClass: BullmqDashboard },
    { provide: TASK_QUEUE, useClass: BullmqTaskQueue },
  ],
  exports: [TASK_QUEUE, QueueDashboard],
})
export class QueueModule {
  constructor(@Inject(TASK_QUEUE) queue: TaskQueue, health: Health, config: ConfigService<Installation, true>) {
    // What an API takes meanwhile is stored, and queued by the sweeper later.
    const required = config.get('server', { infer: true }).roles.includes('worker');
    health.register('queue', () => queue.counts(), { required });
  }
}
