import { Redis } from 'ioredis';

/** One connection for one piece of work. */
export async function inRedis<T>(url: string, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url);
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}

export async function describeRedis(url: string): Promise<{ redisVersion: string; redisPid: number }> {
  const info = await inRedis(url, (client) => client.info('server'));
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  return { redisVersion: field('redis_version'), redisPid: Number(field('process_id')) };
}
