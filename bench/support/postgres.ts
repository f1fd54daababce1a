import { execFile } from 'node:child_process';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import { DatabaseClient } from '../../src/database/client.js';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { createCluster } from '../../src/database/embedded/cluster.js';
import { preparePostgresHome } from '../../src/database/embedded/postgres-home.js';

/**
 * The embedded PostgreSQL as users get it, durable, which also counts its statements (`pg_stat_statements`). Its role is
 * no superuser, so the extension is installed while nobody is served.
 */
export async function startPostgres(folder: string) {
  const log = (): void => undefined;
  const installation = await preparePostgresHome(folder, log);
  await createCluster(installation, log);
  const { account, cluster, home, binary } = installation;
  await appendFile(join(cluster, 'postgresql.conf'), `shared_preload_libraries = 'pg_stat_statements'\n`);
  const options = { ...account, cwd: home, env: { LC_ALL: 'C' } };
  const install = promisify(execFile)(binary('postgres'), ['--single', '-D', cluster, 'zerostate'], options);
  install.child.stdin!.end('CREATE EXTENSION pg_stat_statements\n');
  await install;
  const postgres = await startEmbeddedPostgres({ dataDir: folder, log });
  const pid = Number((await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  return { ...postgres, pid };
}

/** One connection for one piece of work. */
export async function inDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new DatabaseClient(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function postgresVersion(url: string): Promise<string> {
  const { rows } = await inDatabase(url, (client) => client.query<{ server_version: string }>('SHOW server_version'));
  return rows[0].server_version;
}
