import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scramVerifier } from '../../src/database/application-role.js';
import { api, expectStatus, login, registerUser, waitForTask } from '../support/client.js';
import { urlOfDatabase } from '../support/database.js';
import { type DebianPostgres, startDebianPostgres } from '../support/debian-postgres.js';
import { startServer } from '../support/server.js';
import { blocksOf, type Checkout, createCheckout } from '../support/shell-blocks.js';
import { good, publish, submit } from './agents.js';
import { ask } from './rows.js';

const OPERATOR = fileURLToPath(new URL('../../bin/operator.js', import.meta.url));
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

  /** @returns the address of the application's role, which needs fewer rights than the owner */
  function migrateForApplication(ownerUrl: string): string {
    const url = new URL(ownerUrl);
    [url.username, url.password] = ['application', 'a password'];
    const env = { PATH: process.env.PATH, DATABASE_OWNER_URL: ownerUrl, DATABASE_URL: url.href };
    const { status, stdout, stderr } = spawnSync(process.execPath, [OPERATOR, 'migrate'], { env, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(
      /the role application may read and write rows, and only add to the audit trail and to the ledger\n$/,
    );
    return url.href;
  }

  it.each(['local', 'ipfs'])(
    'has its accounts, tasks and results, and runs its agents: %s',
    async (driver) => {
      const old = await place(`of_${driver}`);
      const DATABASE_URL = migrateForApplication(old.DATABASE_URL);
      const before = await startServer({ env: { ...old, DATABASE_URL, STORAGE_DRIVER: driver } });
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

  it('was run by a role that could change neither tables nor the audit trail', async () => {
    const url = new URL(urlOfDatabase(postgres.url, 'of_local'));
    url.username = 'application';
    for (const statement of [
      'UPDATE audit_log SET type = type',
      'DELETE FROM audit_log',
      'TRUNCATE audit_log',
      'ALTER TABLE audit_log DISABLE TRIGGER ALL',
      'DROP TABLE tasks',
      'CREATE TABLE more (id int)',
      'CREATE SCHEMA more',
      'UPDATE migrations SET name = name',
    ]) {
      const outcome = await ask(url.href, statement).catch((error: { code: string }) => error.code);
      expect([statement, outcome]).toEqual([statement, '42501']);
    }
    expect(await ask(url.href, 'SELECT count(*) > 0 AS filled FROM audit_log')).toEqual([{ filled: true }]);
    const stored = async () => (await ask<{ rolpassword: string }>(postgres.url, PASSWORD))[0].rolpassword;
    const [, salt] = /^SCRAM-SHA-256\$4096:(.+?)\$/.exec(await stored()) ?? [];
    expect(await stored()).toBe(scramVerifier('a password', Buffer.from(salt, 'base64')));
    // PostgreSQL makes the same of it.
    await ask(postgres.url, "ALTER ROLE application PASSWORD 'a password'");
    const [, own] = /^SCRAM-SHA-256\$4096:(.+?)\$/.exec(await stored()) ?? [];
    expect(await stored()).toBe(scramVerifier('a password', Buffer.from(own, 'base64')));
  });
});

const PASSWORD = "SELECT rolpassword FROM pg_authid WHERE rolname = 'application'";
