import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../../src/data-source.js';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { TEMPLATE, urlOfDatabase } from './database.js';
import { startRedis } from './redis-server.js';

declare global {
  /** Stops what the global setup started; handed from it to the global teardown, which runs in the same process. */
  var stopTestServices: (() => Promise<void>) | undefined;
}

/**
 * Runs once before all suites: one PostgreSQL in a fresh folder, with a migrated database that suites clone, and one
 * Redis. Test processes inherit their addresses as `TEST_POSTGRES_URL` and `TEST_REDIS_URL`.
 */
export default async function globalSetup(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-test-'));
  await chmod(folder, 0o711); // as root, PostgreSQL runs as another user
  const stops: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  globalThis.stopTestServices = async () => {
    while (stops.length) await stops.pop()!();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void globalThis.stopTestServices?.().finally(() => process.exit(1)));
  }
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: folder, log: () => undefined });
    stops.push(postgres.stop);
    process.env.TEST_POSTGRES_URL = postgres.url;
    await createTemplate(postgres.url);

    const redis = await startRedis();
    stops.push(redis.stop);
    process.env.TEST_REDIS_URL = redis.url;
  } catch (error) {
    await globalThis.stopTestServices();
    throw error;
  }
}

async function createTemplate(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`CREATE DATABASE ${TEMPLATE}`);
  await client.end();
  await migrate(urlOfDatabase(url, TEMPLATE));
}
