import {
  type ConnectionOptions,
  createPostgresBackend,
  createRedisBackend,
  Queue,
  type QueueBaseOptions,
} from 'bullmq';
import { setTimeout as pause } from 'node:timers/promises';
import type { Installation } from './installation.js';
import { inDatabase } from './postgres.js';
import type { Backend } from './services.js';

/** Arguments that put a BullMQ class on either backend. @param url of Redis or of the PostgreSQL database */
export function onBackend(backend: Backend, url: string): [QueueBaseOptions, typeof createRedisBackend] {
  if (backend === 'redis') return [{ connection: { url, maxRetriesPerRequest: null } }, createRedisBackend];
  // BullMQ's classes are typed for Redis; its PostgreSQL backend reads this shape.
  const connection = {
    connectionString: url,
    max: 4,
    schema: 'zerostate_queue',
    migrate: true,
  } as unknown as ConnectionOptions;
  return [{ connection }, createPostgresBackend as unknown as typeof createRedisBackend];
}

const POLL_MS = 20;

/** Waits until an installation without workers has an entry in its queue for every task. @returns how long that took, ms */
export async function untilAllQueued(backend: Backend, { databaseUrl, queueUrl }: Installation): Promise<number> {
  const start = performance.now();
  const tasks = await inDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM tasks');
    return rows[0].count;
  });
  const [options, factory] = onBackend(backend, queueUrl);
  const queue = new Queue('tasks', { ...options, prefix: 'zerostate' }, factory);
  for (;;) {
    const counts = await queue.getJobCounts('waiting', 'prioritized');
    if (counts.waiting + counts.prioritized === tasks) break;
    await pause(POLL_MS);
  }
  await queue.close();
  return performance.now() - start;
}
