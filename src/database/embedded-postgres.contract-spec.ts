import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DatabaseClient } from './client.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';

/** A process that holds an embedded PostgreSQL like a server does: it tells its URL, and stops when told to. */
const SERVER = `
  const { startEmbeddedPostgres } = await import(process.argv[1]);
  const postgres = await startEmbeddedPostgres({ dataDir: process.argv[2], log() {} });
  process.on('SIGINT', () => {});
  process.once('message', async () => { await postgres.stop(); process.disconnect(); });
  process.send({ url: postgres.url, dataDir: postgres.dataDir });
`;

describe('embedded PostgreSQL', () => {
  let dataDir: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'zerostate-embedded-'));
    chmodSync(dataDir, 0o711); // as root, PostgreSQL runs as another user
    const first = await startEmbeddedPostgres({ dataDir, log: () => undefined });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    await expect(query(first.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await (await startEmbeddedPostgres({ dataDir, log: () => undefined })).stop();
    rmSync(dataDir, { recursive: true });
  });

  it('keeps the data over a restart', async () => {
    const { url, stop } = await startEmbeddedPostgres({ dataDir, log: () => undefined });
    expect(await query(url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await stop();
  });

  it('lets nobody in without the password, the superuser not at all', async () => {
    const { url, stop } = await startEmbeddedPostgres({ dataDir, log: () => undefined });
    const stranger = new URL(url);
    stranger.password = 'guessed';
    await expect(query(stranger.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
    const superuser = new URL(url);
    superuser.username = 'postgres';
    await expect(query(superuser.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
    expect(await query(url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    await stop();
  });

  it('survives Ctrl-C and the death of its server, and is used again', async () => {
    const server = await serve();
    process.kill(-server.child.pid!, 'SIGINT'); // what a terminal does: the signal goes to the process group
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await kill(server.child);

    const lines: string[] = [];
    const next = await startEmbeddedPostgres({ dataDir, log: (line) => lines.push(line) });
    expect(next.url).toBe(server.url);
    expect(lines).toEqual([expect.stringContaining('already runs')]);
    await next.stop();
  });

  it.each([
    ['no longer exists', undefined],
    ['is a zombie', 'true & echo $!; exec sleep 60'], // a parent that never asks how its child ended
    ['belongs to another process by now', 'echo $$; exec sleep 60'],
  ])('starts when both were killed and the pid left behind %s', async (_, impostor) => {
    const server = await serve();
    const pidFile = join(server.dataDir, 'postmaster.pid');
    const left = readFileSync(pidFile, 'utf8');
    await kill(server.child);
    process.kill(Number.parseInt(left), 'SIGKILL');
    if (impostor) {
      const pid = await firstLine(impostor, server.dataDir);
      writeFileSync(pidFile, left.replace(/^\d+/, pid));
    }

    const next = await startEmbeddedPostgres({ dataDir, log: () => undefined });
    expect(await query(next.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await next.stop();
  });

  it('is shared by servers that start at once on an empty folder, and stopped by the last of them', async () => {
    const shared = join(dataDir, 'shared');
    const [one, other] = await Promise.all([serve(shared), serve(shared)]);
    expect(one.url).toBe(other.url);
    await one.stop();
    expect(await query(one.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await other.stop();
    await expect(query(one.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('comes back at the same address when PostgreSQL dies under a running server', async () => {
    const { url, dataDir: cluster, stop } = await startEmbeddedPostgres({ dataDir, log: () => undefined });
    process.kill(Number.parseInt(readFileSync(join(cluster, 'postmaster.pid'), 'utf8')), 'SIGKILL');
    const deadline = Date.now() + 20_000;
    let rows: unknown;
    while (!rows && Date.now() < deadline) {
      rows = await query(url, 'SELECT answer FROM kept').catch(() => pause(100));
    }
    expect(rows).toEqual([{ answer: 42 }]);
    await stop();
  });

  async function serve(folder = dataDir) {
    const module = new URL('./embedded-postgres.js', import.meta.url).href;
    const child = spawn(process.execPath, ['--input-type=module', '-e', SERVER, module, folder], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    children.push(child);
    const [{ url, dataDir: cluster }] = (await once(child, 'message')) as [{ url: string; dataDir: string }];
    const stop = async () => {
      child.send('stop');
      await once(child, 'exit');
    };
    return { child, url, dataDir: cluster, stop };
  }

  /** Runs a shell script as the user PostgreSQL runs as, who alone can hold PostgreSQL up by its pid. */
  async function firstLine(script: string, cluster: string): Promise<string> {
    const { uid, gid } = statSync(cluster);
    const user = process.getuid?.() === 0 ? { uid, gid } : {};
    const shell = spawn('sh', ['-c', script], { ...user, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(shell);
    const [line] = (await once(shell.stdout, 'data')) as [Buffer];
    return line.toString().trim();
  }
});

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new DatabaseClient(url);
  try {
    await client.connect();
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
