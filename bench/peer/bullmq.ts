import { createRequire } from 'node:module';
import type * as BullMQ from 'bullmq';

/**
 * BullMQ as it is installed, not as it is bundled with the server: its sandboxed processor looks for files of its own
 * beside its code.
 */
const require = createRequire(new URL('../../../package.json', import.meta.url));
export const { createPostgresBackend, createRedisBackend, Queue, QueueEvents, Worker } =
  require('bullmq') as typeof BullMQ;
export type Queue = BullMQ.Queue;
export type QueueEvents = BullMQ.QueueEvents;
