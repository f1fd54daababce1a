import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, login, registerUser, waitForTask } from '../support/client.js';
import { urlOfDatabase } from '../support/database.js';
import { type DebianPostgres, startDebianPostgres } from '../support/debian-postgres.js';
import { startServer } from '../support/server.js';
import { blocksOf, type Checkout, createCheckout } from '../support/shell-blocks.js';
import { good, publish, submit } from './agents.js';
import { ask } from './rows.js';

const INSTALL_AND_START_MS = 300_000;

describe('an installation that is backed up and restored as the guide says', () => {
  let postgres: DebianPostgres;
  let checkout: Checkout;
  let folder: string;

  beforeAll(async () => {
    postgres = await startDebianPostgres();
    checkout = await createCheckout();
    folder = await mkdtemp(join(tmpdir(), 'zerostate-backup-'));
  }, INSTALL_AND_START_MS);

  afterAll(async () => {
    await postgres?.stop();
    await checkout?.remove();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  async function place(name: string): Promise<{ DATABASE_URL: string; DATA_DIR: string }> {
    await ask(postgres.url, `CREATE DATABASE ${name}`);
    return { DATABASE_URL: urlOfDatabase(postgres.url, name), DATA_DIR: join(folder, name) };
  }

  /** The guide's block that begins so. @returns what it said */
  function follow(begins: string, env: Record<string, string>): string {
    const [block, ...others] = blocksOf('docs/deployment.md').filter(({ text }) => text.startsWith(begins));
    expect(others).toEqual([]);
    const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', block.text], {
      cwd: checkout.path,
      env: { PATH: process.env.PATH, ...env },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.any(String) });
    return stdout;
  }

  it.each(['local', 'ipfs'])(
    'has its accounts, tasks and results, and runs its agents: %s',
    async (driver) => {
      const old = await place(`of_${driver}`);
      const before = await startServer({ env: { ...old, STORAGE_DRIVER: driver } });
      const user = await registerUser(before.url);
      let done: { id: string };
      try {
        await publish(before.url, user.token, 'kept', await good(), { capabilities: ['kept'] });
        done = await waitForTask(before.url, user.token, await submit(before.url, user.token, 'kept'), 'completed');
        follow('pg_dump ', old);
      } finally {
        await before.stop();
      }

      const next = await place(`next_${driver}`);
      expect(follow('mkdir ', { ...next, STORAGE_DRIVER: driver })).toMatch(/^✓ schema +up to date$/m);
      const after = await startServer({ env: { ...next, STORAGE_DRIVER: driver } });
      try {
        const token = await login(after.url, user);
        const { items } = expectStatus(await api(after.url).get('/tasks', { token }), 200).body;
        expect(items).toEqual([expect.objectContaining({ id: done.id, status: 'completed' })]);
        expect(expectStatus(await api(after.url).get(`/tasks/${done.id}`, { token }), 200).body).toEqual(done);
        await waitForTask(after.url, token, await submit(after.url, token, 'kept'), 'completed');
      } finally {
        await after.stop();
      }
    },
    120_000,
  );
});
