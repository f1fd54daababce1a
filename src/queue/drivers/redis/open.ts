import type { OpenQueue } from '../../open-queue.js';
import { bullBoard } from './bull-board.js';
import { BullmqConsumer } from './bullmq-consumer.js';
import { BullmqTaskQueue } from './bullmq-task-queue.js';
import { RedisQueueServer } from './queue-server.js';

/** BullMQ on Redis or Valkey. Only processes that use Redis load this file, and with it BullMQ and Bull Board. */
export function openRedisQueue(url: string, prefix: string, pagePath: string): OpenQueue {
  const server = new RedisQueueServer(url, prefix);
  const queue = new BullmqTaskQueue(server, new BullmqConsumer(server));
  return { queue, page: bullBoard(queue.bullmq, pagePath) };
}
