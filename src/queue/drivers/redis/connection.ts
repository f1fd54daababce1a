import type { ConnectionOptions } from 'bullmq';

/** BullMQ's workers wait for Redis to come back for as long as it takes; ioredis reconnects by itself. */
export const redisConnection = (url: string): ConnectionOptions => ({ url, maxRetriesPerRequest: null });
