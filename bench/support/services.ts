import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/data-source.js';
import { urlOfDatabase } from '../../test/support/database.js';
import { startRedis } from '../../test/support/redis-server.js';
import { inDatabase, postgresVersion, startPostgres } from './postgres.js';
import { describeRedis } from './redis.js';

export type Backend = 'redis' | 'postgres';

/** What every installation under test stands on: one PostgreSQL and one Redis, fresh, in a temporary folder. */
export interface Services {
  /** Temporary; removed at the end. */
  folder: string;
  /** Of the server; installations get databases of their own. */
  postgresUrl: string;
  redisUrl: string;
  postgresVersion: string;
  redisVersion: string;
  /** Pids of the two servers, for their CPU time. */
  postgresPid: number;
  redisPid: number;
  /** A migrated, empty database. */
  createDatabase(): Promise<string>;
  /** An empty Redis database. */
  createRedisDatabase(): string;
  stop(): Promise<void>;
}

export async function startServices(): Promise<Services> {
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-bench-'));
  await chmod(folder, 0o711); // as root, PostgreSQL runs as another user
  const stops: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    while (stops.length > 0) await stops.pop()!();
  };
  try {
    const postgres = await startPostgres(folder);
    stops.push(postgres.stop);
    const redis = await startRedis();
    stops.push(redis.stop);
    let redisDatabases = 0;
    return {
      folder,
      postgresUrl: postgres.url,
      redisUrl: redis.url,
      postgresPid: postgres.pid,
      postgresVersion: await postgresVersion(postgres.url),
      ...(await describeRedis(redis.url)),
      createDatabase: () => createDatabase(postgres.url),
      createRedisDatabase: () => `${redis.url}/${redisDatabases++}`,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function createDatabase(server: string): Promise<string> {
  const name = `bench_${randomBytes(6).toString('hex')}`;
  await inDatabase(server, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = urlOfDatabase(server, name);
  await migrate(url);
  return url;
}
