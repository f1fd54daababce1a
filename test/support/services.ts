import { once } from 'node:events';
import { appendFile, chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/** Services that suites share: one PostgreSQL with a migrated database to clone, and one Redis. */
type Name = 'postgres' | 'redis';

/** What is running: its address, and how to end it. */
interface Running {
  url: string;
  stop(): Promise<void>;
}

/** The migrated, empty database that every test database is a copy of. */
export const TEMPLATE = 'zerostate_template';

/** Inherited by the processes that run suites. */
const ADDRESS = 'TEST_SERVICES_URL';

/**
 * Offers the shared services to all suites of a run. Each service starts when the first suite asks for it, so that a run
 * without such a suite starts none.
 * @returns stops what was started
 */
export async function offerServices(): Promise<() => Promise<void>> {
  const running = new Map<string, Promise<Running>>();
  const run = (name: string): Promise<Running> => {
    if (!running.has(name)) running.set(name, name === 'postgres' ? runPostgres() : runRedis());
    return running.get(name)!;
  };
  const door = createServer((request, response) => {
    response.setHeader('connection', 'close');
    run(request.url!.slice(1)).then(
      ({ url }) => response.end(url),
      (error: Error) => response.writeHead(500).end(String(error.stack)),
    );
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  process.env[ADDRESS] = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
  return async () => {
    door.close();
    door.closeAllConnections();
    const started = await Promise.allSettled(running.values());
    for (const service of started) if (service.status === 'fulfilled') await service.value.stop();
  };
}

/** @returns the address of a shared service. @throws Error that says why it does not start */
export async function addressOf(name: Name): Promise<string> {
  const door = process.env[ADDRESS];
  if (!door) throw new Error(`${ADDRESS} is not set: run this suite by \`npm test -- PATH\`, which offers services`);
  const response = await fetch(`${door}/${name}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`${name} did not start: ${text}`);
  return text;
}

async function runPostgres(): Promise<Running> {
  const { startEmbeddedPostgres } = await import('../../src/database/embedded-postgres.js');
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-test-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  await chmod(folder, 0o711); // as root, PostgreSQL runs as another user
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: folder, log: () => undefined });
    await doNotWaitForTheDisk(postgres.dataDir);
    await createTemplate(postgres.url).catch((error) => postgres.stop().finally(() => Promise.reject(error)));
    return { url: postgres.url, stop: () => postgres.stop().finally(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Suites kill servers and PostgreSQL, never the machine: what reached the kernel is not lost. */
async function doNotWaitForTheDisk(cluster: string): Promise<void> {
  await appendFile(join(cluster, 'postgresql.conf'), '\nfsync = off\n');
  const [postmaster] = (await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n');
  process.kill(Number(postmaster), 'SIGHUP');
}

async function createTemplate(url: string): Promise<void> {
  const { migrate } = await import('../../src/data-source.js');
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`CREATE DATABASE ${TEMPLATE}`);
  await client.end();
  await migrate(urlOfDatabase(url, TEMPLATE));
}

async function runRedis(): Promise<Running> {
  const { startRedis } = await import('./redis-server.js');
  return startRedis();
}

/** The same server and user, another database. */
export function urlOfDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
