import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { migrate } from '../../src/data-source.js';
import { DatabaseClient } from '../../src/database/client.js';
import { createCluster, readPassword } from '../../src/database/embedded/cluster.js';
import { freePort } from '../../src/database/embedded/free-port.js';
import { preparePostgresHome } from '../../src/database/embedded/postgres-home.js';
import { findPostmaster, launchPostmaster } from '../../src/database/embedded/postmaster.js';
import { startRedis as redisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

/** Services of a run's own, which come back at the same address with the same data, as under a supervisor. */

const UP_WITHIN_MS = 120_000;

export interface BreakablePostgres {
  /** Of its database, migrated. */
  url: string;
  /** `kill -9`, without a word to anybody. */
  kill(): Promise<void>;
  /** Resolves once it answers; it is launched as often as it takes. */
  bringUp(): Promise<void>;
  /** One query on a connection of its own. */
  ask<Row extends object>(sql: string, values?: unknown[]): Promise<Row[]>;
  stop(): Promise<void>;
}

/** @param folder on the file system it is to live on; absent: a new one, which goes with it */
export async function startPostgres(folder?: string): Promise<BreakablePostgres> {
  const own = folder ? undefined : await mkdtemp(join(tmpdir(), 'zerostate-chaos-pg-'));
  const place = folder ?? (own as string);
  await chmod(place, 0o711); // as root, PostgreSQL runs as another user
  const installation = await preparePostgresHome(place, () => undefined);
  await createCluster(installation, () => undefined);
  const port = await freePort();
  const url = `postgresql://zerostate:${await readPassword(installation)}@127.0.0.1:${port}/zerostate`;

  const ask = async <Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> => {
    const client = new DatabaseClient({
      connectionString: url,
      connectionTimeoutMillis: 5000,
      query_timeout: 30_000,
      // Also while everybody else may only read.
      options: '-c default_transaction_read_only=off',
    });
    try {
      await client.connect();
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const kill = async (): Promise<void> => {
    const postmaster = await findPostmaster(installation.cluster);
    if (postmaster) process.kill(postmaster.pid, 'SIGKILL');
    await until('PostgreSQL is gone', async () => !(await findPostmaster(installation.cluster)));
  };
  const bringUp = (): Promise<void> =>
    until(
      'PostgreSQL answers',
      async () => {
        if (!(await findPostmaster(installation.cluster))) await launchPostmaster(installation, port);
        return ask('SELECT 1').then(
          () => true,
          () => pause(200, false as const),
        );
      },
      UP_WITHIN_MS,
    ).then(() => undefined);

  await bringUp();
  await migrate(url);
  return {
    url,
    kill,
    bringUp,
    ask,
    async stop() {
      await kill();
      if (own) await rm(own, { recursive: true, force: true });
    },
  };
}

export interface BreakableRedis {
  url: string;
  /** `kill -9`. What it was told is in its append-only file. */
  kill(): Promise<void>;
  /** Forgets all it has written; to be called while it is dead. */
  loseData(): Promise<void>;
  bringUp(): Promise<void>;
  /** It hears and says nothing; connections stay. */
  freeze(): void;
  thaw(): void;
  /** One piece of work on a connection of its own. */
  with<T>(work: (client: Redis) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

export async function startRedis(): Promise<BreakableRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'zerostate-chaos-redis-'));
  const settings = { port: await freePort(), appendonly: 'yes', appendfsync: 'everysec', dir };
  let server = await redisServer(settings);
  const { url } = server;

  return {
    url,
    kill: () => server.stop(),
    async bringUp() {
      await mkdir(dir, { recursive: true });
      server = await redisServer(settings);
    },
    async with(work) {
      const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
      client.on('error', () => undefined); // the command under way is told
      try {
        await client.connect();
        return await work(client);
      } finally {
        client.disconnect();
      }
    },
    loseData: () => rm(dir, { recursive: true, force: true }),
    freeze: () => server.signal('SIGSTOP'),
    thaw: () => server.signal('SIGCONT'),
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
