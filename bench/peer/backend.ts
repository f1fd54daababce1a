import type { ConnectionOptions, QueueBaseOptions } from 'bullmq';
import type { Backend } from '../support/services.js';
import { createPostgresBackend, createRedisBackend } from './bullmq.js';

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
