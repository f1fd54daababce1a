import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { addressOf } from './services.js';

/** A Redis database of a suite's own. */
export interface TestRedis {
  /** Names a logical database that no other suite uses at the same time. */
  url: string;
  /** For `QUEUE_PREFIX`: channels of pub/sub, unlike keys, are shared by all logical databases. */
  prefix: string;
  /** Loses everything in it, as a crash without persistence does. */
  wipe(): Promise<void>;
}

/** An empty Redis database; suites of one Jest worker run one after the other and share its number. */
export async function emptyRedis(): Promise<TestRedis> {
  const url = `${await addressOf('redis')}/${process.env.JEST_WORKER_ID ?? 0}`;
  const wipe = async (): Promise<void> => {
    const client = new Redis(url);
    await client.flushdb();
    client.disconnect();
  };
  await wipe();
  return { url, prefix: `test-${randomBytes(6).toString('hex')}`, wipe };
}
