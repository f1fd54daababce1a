import { BullmqConsumer } from '../../src/queue/drivers/redis/bullmq-consumer.js';
import { BullmqTaskQueue } from '../../src/queue/drivers/redis/bullmq-task-queue.js';
import { RedisQueueServer } from '../../src/queue/drivers/redis/queue-server.js';
import { emptyRedis } from '../support/redis.js';
import { describeTaskQueue } from './task-queue.contract.js';

describeTaskQueue('Redis', async () => {
  const { url, prefix, wipe } = await emptyRedis();
  return {
    async open() {
      const server = new RedisQueueServer(url, prefix);
      const queue = new BullmqTaskQueue(server, new BullmqConsumer(server));
      return { queue, exit: () => queue.close() };
    },
    drop: wipe,
  };
});
