import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './free-port.js';
import type { PostgresHome } from './postgres-home.js';

/** The process that serves a cluster, as `postmaster.pid` describes it. */
export interface Postmaster {
  pid: number;
  port: number;
  /** Absolute path of the data folder it serves. */
  cluster: string;
  /** It accepts connections; otherwise it is recovering, or shutting down. */
  ready: boolean;
}

/** Settings of every launch. They win over `postgresql.conf`, so that a newer release can change them. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '128MB',
  max_connections: '200',
  timezone: 'UTC',
  // The server logs its failed statements itself; here stay PostgreSQL's own affairs, a few lines a start.
  log_min_messages: 'log',
  log_checkpoints: 'off',
};

const POLL_MS = 20;

/** @returns undefined when no living process serves the cluster, whatever a left-over `postmaster.pid` says */
export async function findPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const lines = (await readFile(pidFile(cluster), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  if (!pid || !(await commandLine(pid)).includes(`-D ${cluster} `)) return undefined;
  // Lines by number: 1 pid, 2 data folder, 3 start time, 4 port, 5 socket folder, 6 address, 7 shared memory, 8 status.
  return { pid, cluster, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' };
}

/**
 * Launches a postmaster in a session of its own and waits until `findPostmaster` finds it or it has died, for instance
 * because the port was taken in between or because another one was launched at the same time.
 * @param port a free one is chosen when absent
 */
export async function launchPostmaster(postgresHome: PostgresHome, port?: number): Promise<void> {
  const { cluster, account, binary } = postgresHome;
  await disownPidFile(cluster);
  const settings = Object.entries({ ...SETTINGS, port: port ?? (await freePort()) });
  const logFd = openSync(postgresHome.logFile, 'a', 0o600);
  const child = spawn(
    binary('postgres'),
    ['-D', cluster, ...settings.flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    {
      ...account,
      cwd: postgresHome.home,
      env: { LC_ALL: 'C' },
      detached: true,
      stdio: ['ignore', logFd, logFd],
    },
  );
  closeSync(logFd);
  child.unref();
  let ended = false;
  child.once('exit', () => (ended = true)).once('error', () => (ended = true));
  while (!ended && (await findPostmaster(cluster))?.pid !== child.pid) await pause(POLL_MS);
}

/** Asks for a fast shutdown: no new connections, open transactions are rolled back, everything is written. */
export function interrupt(postmaster: Postmaster): void {
  try {
    process.kill(postmaster.pid, 'SIGINT');
  } catch {
    // It ended by itself.
  }
}

/** The last lines PostgreSQL wrote. */
export async function logTail(postgresHome: PostgresHome): Promise<string> {
  const text = await readFile(postgresHome.logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-5).join('\n');
}

const pidFile = (cluster: string): string => join(cluster, 'postmaster.pid');

/**
 * The command line of a process, '' when there is none or it is a zombie. The one proof that a pid is still the
 * postmaster of our cluster that every user may read, also in a container without extra capabilities.
 */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return text.replaceAll('\0', ' ');
  }
  const ps = promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
  return ps.then(({ stdout }) => stdout).catch(() => '');
}

/**
 * PostgreSQL refuses to start while the pid in `postmaster.pid` exists, be it a zombie or by now somebody else's. When
 * `findPostmaster` has shown that it is not the postmaster, our own pid takes its place, because PostgreSQL believes no
 * such claim of its parent. The file stays: its shared memory key tells PostgreSQL whether orphans of the dead
 * postmaster still write to the cluster.
 */
async function disownPidFile(cluster: string): Promise<void> {
  const text = await readFile(pidFile(cluster), 'utf8').catch(() => undefined);
  if (text) await writeFile(pidFile(cluster), text.replace(/^.*/, String(process.pid)));
}
