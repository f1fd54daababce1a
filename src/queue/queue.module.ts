import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { DatabaseConfig, type Installation, QueueConfig, ServerConfig } from '../config/index.js';
import { DatabaseModule, Presence, Sql } from '../database/index.js';
import { Health } from '../observability/index.js';
import { EntryTable } from './drivers/postgres/entry-table.js';
import { PostgresTaskQueue } from './drivers/postgres/postgres-task-queue.js';
import { queuePage } from './drivers/postgres/queue-page.js';
import { type Caution, type OpenQueue, QUEUE_PAGE_PATH } from './open-queue.js';
import { TASK_QUEUE, type TaskQueue } from './task-queue.js';

const OPEN_QUEUE = Symbol('OpenQueue');

/** Serves the entries of the queue as a page: an Express handler. */
export const QUEUE_PAGE = Symbol('QueuePage');

@Module({
  imports: [DatabaseModule],
  providers: [
    { provide: OPEN_QUEUE, inject: [QueueConfig, DatabaseConfig, Sql, Presence], useFactory: openQueue },
    { provide: TASK_QUEUE, inject: [OPEN_QUEUE], useFactory: ({ queue }: OpenQueue) => queue },
    { provide: QUEUE_PAGE, inject: [OPEN_QUEUE], useFactory: ({ page }: OpenQueue) => page },
  ],
  exports: [TASK_QUEUE, QUEUE_PAGE],
})
export class QueueModule implements OnApplicationShutdown {
  constructor(
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    health: Health,
    { roles }: ServerConfig,
  ) {
    // What an API takes meanwhile is stored, and queued by the sweeper later.
    const required = roles.includes('worker');
    health.register('queue', () => queue.check(), { required });
  }

  onApplicationShutdown(): Promise<void> {
    return this.queue.close();
  }
}

/**
 * Opens the queue on Redis where `REDIS_URL` is set, else on the database. Only processes that use Redis load BullMQ and
 * Bull Board.
 */
async function openQueue(
  { redisUrl, prefix }: QueueConfig,
  { url }: DatabaseConfig,
  sql: Sql,
  presence: Presence,
): Promise<OpenQueue> {
  if (redisUrl) {
    const { openRedisQueue } = await import('./drivers/redis/open.js');
    return openRedisQueue(redisUrl, prefix, QUEUE_PAGE_PATH);
  }
  const table = new EntryTable(sql);
  return { queue: new PostgresTaskQueue(url, table, presence), page: queuePage(table) };
}

/**
 * The first look at what the queue runs on, before anything uses it. A queue on the database needs none.
 * @returns what works and should be mended all the same
 * @throws Refusal when only an operator can help; any other error is an outage, which passes by itself
 */
export async function prepareQueue({ queue }: Pick<Installation, 'queue'>): Promise<Caution[]> {
  if (!queue.redisUrl) return [];
  const { RedisQueueServer } = await import('./drivers/redis/queue-server.js');
  const server = new RedisQueueServer(queue.redisUrl, queue.prefix);
  try {
    return await server.prepare();
  } finally {
    await server.close();
  }
}
