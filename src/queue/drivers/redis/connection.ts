import type { ConnectionOptions } from 'bullmq';
import { Redis } from 'ioredis';

/** BullMQ's workers wait for Redis to come back for as long as it takes; ioredis reconnects by itself. */
export const redisConnection = (url: string): ConnectionOptions => ({ url, maxRetriesPerRequest: null });

/**
 * What this Redis does when its memory is full, as `noeviction`; any other policy takes entries out of the queue. Asked of
 * `INFO`, since hosted services refuse `CONFIG`.
 */
export async function evictionPolicy(url: string): Promise<string | undefined> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined); // the question below fails of it
  try {
    return /^maxmemory_policy:(\S+)/m.exec(await redis.info('memory'))?.[1];
  } finally {
    redis.disconnect();
  }
}
