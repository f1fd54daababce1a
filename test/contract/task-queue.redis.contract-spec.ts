import { emptyRedis } from '../support/redis.js';
import { describeTaskQueue } from './task-queue.contract.js';

describeTaskQueue('Redis', async () => {
  const { url, prefix, wipe } = await emptyRedis();
  return { variables: { REDIS_URL: url, QUEUE_PREFIX: prefix }, drop: wipe };
});
