import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../src/database/embedded/free-port.js';
import { ensureInstalled } from './apt.js';
import { until } from './until.js';

export interface DebianPostgres {
  /** Of the database `postgres`; its user may make others. */
  url: string;
  stop(): Promise<void>;
}

const HOME = '/usr/lib/postgresql';

/**
 * Starts a PostgreSQL of Debian's, in a folder of its own. Unlike the one from npm it comes with `pg_dump` and `pg_restore` of
 * its version.
 * @throws Error that says what to install
 */
export async function startDebianPostgres(): Promise<DebianPostgres> {
  ensureInstalled('postgresql', () => existsSync(HOME) && readdirSync(HOME).length > 0, '--no-install-recommends');
  const [version] = (await readdir(HOME)).sort().reverse();
  const binary = (name: string): string => join(HOME, version, 'bin', name);
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-debian-postgres-'));
  // It refuses to run as root.
  const account = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : undefined;
  if (account) await chown(folder, account.uid, account.gid);
  const options = { cwd: folder, stdio: 'ignore', ...account } as const;
  const data = join(folder, 'data');
  execFileSync(
    binary('initdb'),
    ['--pgdata', data, '--username', 'zerostate', '--auth', 'trust', '--no-sync'],
    options,
  );
  const port = await freePort();
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off'];
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  const server = spawn(binary('postgres'), args, options);
  const url = `postgresql://zerostate@127.0.0.1:${port}/postgres`;
  await until('PostgreSQL serves', () => serves(url));
  return { url, stop: () => stop(server, folder) };
}

const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'postgres']));

async function serves(url: string): Promise<boolean> {
  const client = new pg.Client(url);
  return client.connect().then(
    () => client.end().then(() => true),
    () => false,
  );
}

async function stop(server: ChildProcess, folder: string): Promise<void> {
  server.kill('SIGQUIT');
  if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
  await rm(folder, { recursive: true, force: true });
}
