import { Redis } from 'ioredis';
import { RedisEventStream } from '../../src/feed/drivers/redis-event-stream.js';
import { emptyRedis } from '../support/redis.js';
import { describeEventStream } from './event-stream.contract.js';

describeEventStream('Redis', async () => {
  const { url, prefix } = await emptyRedis();
  const admin = new Redis(url);
  // Other suites subscribe on the same server: the number of the database tells whose a connection is.
  const own = ` db=${new URL(url).pathname.slice(1)} `;
  const addresses = async (): Promise<string[]> =>
    String(await admin.client('LIST', 'TYPE', 'PUBSUB'))
      .split('\n')
      .filter((client) => client.includes(own))
      .map((client) => / addr=(\S+)/.exec(client)![1]);
  return {
    open: () => new RedisEventStream(url, `${prefix}:events`),
    connections: async () => (await addresses()).length,
    async breakConnections() {
      for (const address of await addresses()) await admin.client('KILL', 'ADDR', address);
    },
    drop: async () => admin.disconnect(),
  };
});
