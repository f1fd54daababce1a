import { MIGRATIONS, revert } from '../../src/data-source.js';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CHECK_TIMEOUT_MS } from '../../src/observability/health.js';
import { login } from '../support/client.js';
import { createEmptyDatabase, type TestDatabase } from '../support/database.js';
import { startRedis } from '../support/redis-server.js';
import { startServer } from '../support/server.js';
import { ask } from './rows.js';

const MAIN = fileURLToPath(new URL('../../bin/operator.js', import.meta.url));
/** Nobody listens there. */
const NOBODY = '127.0.0.1:1';

describe('the commands of an operator', () => {
  let database: TestDatabase;
  let dataDir: string;

  beforeAll(async () => {
    database = await createEmptyDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-operator-'));
  });

  afterAll(async () => {
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  async function run(args: string[], { env = {}, input = '' } = {}) {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { PATH: process.env.PATH, DATABASE_URL: database.url, DATA_DIR: dataDir, ...env },
    });
    child.stdin.end(input);
    child.stdin.on('error', () => undefined); // commands that read nothing may be gone by now
    const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code, out, error };
  }

  const tables = async (): Promise<string[]> => {
    const rows = await ask<{ name: string }>(
      database.url,
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };

  it('say of a database that was never migrated that there is nothing to take back', async () => {
    const { code, out } = await run(['revert']);
    expect({ code, out }).toEqual({ code: 0, out: 'There is no migration to revert.\n' });
  });

  it('make the schema, say when there is nothing to do, and do not take the first migration back', async () => {
    expect(await run(['migrate'])).toMatchObject({ code: 0, out: expect.stringMatching('migrated: Initial') });
    expect(await run(['migrate'])).toMatchObject({ code: 0, out: 'The schema is up to date.\n' });
    const whole = await tables();
    const [last, ...others] = MIGRATIONS.slice(1).toReversed();
    expect(await run(['revert'])).toMatchObject({ code: 0, out: `reverted: ${last.name}\n` });
    for (const { name } of others) expect(await revert(database.url)).toBe(name);
    const first = await tables();
    expect(await run(['revert'])).toMatchObject({ code: 1, error: expect.stringContaining('would delete all data') });
    expect(await tables()).toEqual(first);
    expect(await run(['migrate'])).toMatchObject({ code: 0, out: expect.stringMatching('migrated: Ledger') });
    expect(await tables()).toEqual(whole);
  });

  it('make an admin who can log in, by a password from standard input', async () => {
    const args = ['create-admin', '--email', 'Ada@Example.org', '--password-stdin'];
    expect(await run(args, { input: 'too short\n' })).toMatchObject({
      code: 1,
      error: expect.stringMatching('password'),
    });
    expect(await run(args, { input: 'a password for ada\n' })).toMatchObject({
      code: 0,
      out: 'Admin ada@example.org\n',
    });
    const server = await startServer({ env: { DATABASE_URL: database.url } });
    try {
      expect(await login(server.url, { email: 'ada@example.org', password: 'a password for ada' })).toMatch(/\w/);
    } finally {
      await server.stop();
    }
  });

  it('rebuild the ledger, and say what differs', async () => {
    const forge = 'UPDATE ledger_balances SET available_micro = available_micro + $1 RETURNING user_id';
    const [{ user_id }] = await ask<{ user_id: string }>(database.url, forge, [1]);
    const { code, out } = await run(['ledger-verify']);
    expect(code).toBe(1);
    expect(out).toContain(`an available balance differs from the sum of its transfers: ${user_id}`);
    await ask(database.url, forge, [-1]);
    const agrees = await run(['ledger-verify']);
    expect(agrees).toMatchObject({ code: 0, out: expect.stringMatching('all balances and holds agree') });
  });

  it('give an account that exists the role where that is asked for, and leave its password as it was', async () => {
    await ask(database.url, `UPDATE users SET role = 'user' WHERE email = 'ada@example.org'`);
    const args = ['create-admin', '--email', 'ada@example.org'];
    // Anybody may have registered it.
    expect(await run(args)).toMatchObject({ code: 1, error: expect.stringMatching('--promote') });
    const { out } = await run([...args, '--promote']);
    expect(out).toBe('ada@example.org is an admin now; its password is unchanged.\n');
    const rows = await ask(database.url, `SELECT role FROM users WHERE email = 'ada@example.org'`);
    expect(rows).toEqual([{ role: 'admin' }]);
  });

  it('find nothing wrong with an installation that works', async () => {
    const { code, out } = await run(['doctor']);
    expect({ code, faults: out.match(/^✗.*/gm) }).toEqual({ code: 0, faults: null });
    for (const what of [
      'configuration',
      'data folder',
      'database',
      'schema',
      'clock',
      'queue',
      'sandbox',
      'sandbox walls',
      'validation walls',
    ]) {
      expect(out).toMatch(new RegExp(`^[✓!] ${what} `, 'm'));
    }
  });

  it('warn of each thing that does not prevent a start', async () => {
    const [{ name: last }] = await ask<{ name: string }>(
      database.url,
      'SELECT name FROM migrations ORDER BY id DESC LIMIT 1',
    );
    const rename = (from: string, to: string) =>
      ask(database.url, `UPDATE migrations SET name = '${to}' WHERE name = '${from}'`);
    await rename(last, 'OfTomorrow1999999999999');
    const redis = await startRedis({ 'maxmemory-policy': 'allkeys-lru' });
    try {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${NOBODY}`, REDIS_URL: redis.url };
      const { code, out } = await run(['doctor'], { env });
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`^! schema +waiting: ${last}\n +→ .*db:migrate`, 'm'));
      expect(out).toMatch(/^! schema +of a newer release: OfTomorrow1999999999999\n +→ .*nothing to do/m);
      expect(out).not.toMatch('db:revert');
      expect(out).toMatch(/^! trace collector +away: .+\n +→ .*OTEL_EXPORTER_OTLP_ENDPOINT/m);
      expect(out).toMatch(/^! queue memory +maxmemory-policy allkeys-lru\n +→ .*noeviction/m);
      expect(await run(['revert'])).toMatchObject({ code: 1, error: expect.stringMatching('OfTomorrow') });
    } finally {
      await rename('OfTomorrow1999999999999', last);
      await redis.stop();
    }
  });

  it('find out that a database which answers takes no writes, and that its Redis evicts nothing', async () => {
    const standby = `${database.url}?options=${encodeURIComponent('-c default_transaction_read_only=on')}`;
    const redis = await startRedis({ 'maxmemory-policy': 'noeviction' });
    const { code, out } = await run(['doctor'], { env: { DATABASE_URL: standby, REDIS_URL: redis.url } });
    await redis.stop();
    expect(code).toBe(1);
    expect(out).toMatch(/^✗ database +takes no writes\n +→ Promote the standby/m);
    expect(out).toMatch(/^✓ queue memory /m);
  });

  const away = { DATABASE_URL: `postgres://a:secret@${NOBODY}/b`, REDIS_URL: `redis://${NOBODY}` };

  it.each([
    ['a configuration with mistakes', { PORT: 'eighty' }, [['configuration', 'PORT']]],
    ['a database that is away', { DATABASE_URL: away.DATABASE_URL }, [['database', 'DATABASE_URL']]],
    ['a queue that an API lacks', { REDIS_URL: away.REDIS_URL, ROLES: 'api' }, [['queue', 'REDIS_URL']]],
    [
      'a database and a queue that are away',
      away,
      [
        ['database', 'DATABASE_URL'],
        ['queue', 'REDIS_URL'],
      ],
    ],
    [
      'a data folder and a sandbox that do not work',
      { DATA_DIR: '/dev/null/data', SANDBOX_OUTPUT_BYTES: '1' },
      [
        ['data folder', 'DATA_DIR'],
        ['sandbox', 'SANDBOX_'],
      ],
    ],
  ])('name %s and what mends it, and no secret', async (_, env, faults) => {
    const { code, out, error } = await run(['doctor'], { env });
    expect(code).toBe(1);
    for (const [what, advice] of faults) {
      expect(out).toMatch(new RegExp(`^✗ ${what} `, 'm'));
      expect(out).toMatch(advice);
    }
    expect(out + error).not.toMatch('secret');
    // A database that is away does not keep the rest from being looked at.
    if ('DATABASE_URL' in env) {
      expect(out.match(/^✗/gm)).toHaveLength(faults.length);
      for (const what of ['storage', 'sandbox']) expect(out).toMatch(new RegExp(`^✓ ${what} `, 'm'));
    }
  });

  /** A bucket that is there, if slow to say so, and takes nothing. */
  async function refusingBucket() {
    const asked: string[] = [];
    const service = createServer(async ({ method }, response) => {
      asked.push(method as string);
      if (method === 'HEAD') await pause(2 * CHECK_TIMEOUT_MS);
      response.writeHead(method === 'HEAD' ? 200 : 403).end('<Error><Code>AccessDenied</Code></Error>');
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    const endpoint = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
    const keys = { S3_ACCESS_KEY_ID: 'key', S3_SECRET_ACCESS_KEY: 'secret' };
    return { asked, env: { S3_BUCKET: 'bucket', S3_ENDPOINT: endpoint, ...keys }, close: () => service.close() };
  }

  it.each([
    ['new binaries', 's3'],
    ['documents of tasks while binaries go to IPFS', 'ipfs'],
    ['what it holds from before', 'local'],
  ])('find out that a bucket for %s is there and takes nothing, and what to correct', async (_, driver) => {
    const bucket = await refusingBucket();
    const { code, out } = await run(['doctor'], { env: { STORAGE_DRIVER: driver, ...bucket.env } });
    bucket.close();
    expect({ code, asked: [...new Set(bucket.asked)] }).toEqual({ code: 1, asked: ['HEAD', 'PUT'] });
    expect(out).toMatch(/^✓ storage s3 .*\n(.*\n)*✗ bucket +.*lack a right.*\n +→ .*S3_BUCKET/m);
    expect(out).toMatch(new RegExp(`^✓ storage ${driver} `, 'm'));
  });

  it('find out that a store which holds stored bytes is not configured any more', async () => {
    const ref = `s3:${'0'.repeat(64)}`;
    await ask(database.url, 'INSERT INTO blobs (ref) VALUES ($1)', [ref]);
    const { code, out } = await run(['doctor']);
    await ask(database.url, 'DELETE FROM blobs WHERE ref = $1', [ref]);
    expect(code).toBe(1);
    expect(out).toMatch(/^✗ storage s3 +.*not configured\n +→ .*S3_BUCKET/m);
    expect(out).toMatch(/^✓ storage local /m);
  });

  it('explain themselves when they are not understood', async () => {
    expect(await run(['mend'])).toMatchObject({ code: 2, error: expect.stringMatching('npm run doctor') });
    expect(await run(['create-admin'])).toMatchObject({ code: 2, error: expect.stringMatching('--email') });
  });
});
