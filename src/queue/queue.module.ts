import { BullModule } from '@nestjs/bullmq';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { setDefaultBackendFactory } from 'bullmq';
import { DatabaseConfig, type Installation, QueueConfig, ServerConfig } from '../config/index.js';
import { Health } from '../observability/index.js';
import { QueueDashboard } from './dashboard.js';
import { BullmqConsumer, TASKS } from './drivers/bullmq-consumer.js';
import { BullmqDashboard } from './drivers/bullmq-dashboard.js';
import { BullmqTaskQueue } from './drivers/bullmq-task-queue.js';
import { PostgresQueueServer, schemaOf } from './drivers/postgres/queue-server.js';
import { RedisQueueServer } from './drivers/redis/queue-server.js';
import { QUEUE_SERVER, type QueueServer } from './queue-server.js';
import { TASK_QUEUE, type TaskQueue } from './task-queue.js';

/** Redis where there is one, else the database. */
export function queueServerOf({ queue, database }: Pick<Installation, 'queue' | 'database'>) {
  return queue.redisUrl
    ? new RedisQueueServer(queue.redisUrl, queue.prefix)
    : new PostgresQueueServer(database.url, queue.prefix);
}

/** Schemas of PostgreSQL that hold the queue: none where it runs on Redis. */
export const queueSchemas = ({ queue }: Pick<Installation, 'queue'>): string[] =>
  queue.redisUrl ? [] : [schemaOf(queue.prefix)];

/**
 * The Nest integration builds queues and workers without naming a backend, so it is set as the process's default: a
 * process has one queue backend.
 */
@Module({
  providers: [
    {
      provide: QUEUE_SERVER,
      inject: [QueueConfig, DatabaseConfig],
      useFactory: (queue: QueueConfig, database: DatabaseConfig) => {
        const server = queueServerOf({ queue, database });
        setDefaultBackendFactory(server.createBackend);
        return server;
      },
    },
  ],
  exports: [QUEUE_SERVER],
})
class QueueServerModule implements OnApplicationShutdown {
  constructor(@Inject(QUEUE_SERVER) private readonly server: QueueServer) {}

  onApplicationShutdown(): Promise<void> {
    return this.server.close();
  }
}

@Module({
  imports: [
    QueueServerModule,
    BullModule.forRootAsync({
      imports: [QueueServerModule],
      inject: [QueueConfig, QUEUE_SERVER],
      // The backend knows its connection, but the integration requires one.
      useFactory: ({ prefix }: QueueConfig) => ({ connection: {}, prefix }),
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
  constructor(@Inject(TASK_QUEUE) queue: TaskQueue, health: Health, { roles }: ServerConfig) {
    // What an API takes meanwhile is stored, and queued by the sweeper later.
    const required = roles.includes('worker');
    health.register('queue', () => queue.check(), { required });
  }
}
