import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../src/database/embedded/free-port.js';
import { ensureInstalled } from './apt.js';
import { until } from './until.js';

export interface PgBouncer {
  /** The database, through the pooler. */
  url: string;
  stop(): Promise<void>;
}

/** Debian puts it where ordinary users' PATH does not look. */
const PROGRAM = '/usr/sbin/pgbouncer';

/**
 * Starts a PgBouncer of Debian's with its default settings in front of a database.
 * @throws Error that says what to install
 */
export async function startPgBouncer(databaseUrl: string, poolMode: 'session' | 'transaction'): Promise<PgBouncer> {
  ensureInstalled('pgbouncer', () => spawnSync(PROGRAM, ['--version']).status === 0, '--no-install-recommends');
  const { hostname, port: targetPort, username, password, pathname } = new URL(databaseUrl);
  const database = pathname.slice(1);
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-pgbouncer-'));
  const port = await freePort();
  const target = `host=${hostname} port=${targetPort} user=${username} password=${decodeURIComponent(password)}`;
  const settings = [
    '[databases]',
    `${database} = ${target}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    `pool_mode = ${poolMode}`,
  ];
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(file, settings.join('\n'), { mode: 0o600 });
  // It refuses to run as root.
  const asUser: { uid?: number; gid?: number } = {};
  if (process.getuid?.() === 0) {
    asUser.uid = Number(execFileSync('id', ['-u', 'nobody']));
    asUser.gid = Number(execFileSync('id', ['-g', 'nobody']));
    for (const path of [folder, file]) await chown(path, asUser.uid, asUser.gid);
  }
  const pooler = spawn(PROGRAM, [file], { stdio: 'ignore', ...asUser });
  const url = `postgresql://${username}@127.0.0.1:${port}/${database}`;
  await until('PgBouncer serves', async () => {
    const client = new pg.Client(url);
    client.on('error', () => undefined);
    return client.connect().then(
      () => client.end().then(() => true),
      () => false,
    );
  });
  return {
    url,
    async stop() {
      pooler.kill('SIGKILL');
      if (pooler.exitCode === null && pooler.signalCode === null) await once(pooler, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
