import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { freePort } from '../../src/database/embedded/free-port.js';
import { api, expectStatus, registerUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { operationsUrl, samples, scrape } from '../support/metrics.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';

describe('the health of a process', () => {
  let database: TestDatabase;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    const env = { DATABASE_URL: database.url, SHUTDOWN_DELAY_MS: '3000', METRICS_PORT: '0' };
    server = await startServer({ env });
  });

  afterAll(async () => {
    await database?.drop();
  });

  const ready = async () => {
    const response = await fetch(`${server.url}/health/ready`);
    return { status: response.status, body: (await response.json()) as any };
  };

  it('names everything it depends on, with the time each took to answer', async () => {
    const { status, body } = await ready();
    expect([status, body.status]).toEqual([200, 'ready']);
    const names = ['database', 'disk', 'migrations', 'queue', 'sandbox', 'storage'];
    expect(Object.keys(body.dependencies).sort()).toEqual(names);
    for (const name of names) {
      const required = name !== 'disk';
      expect(body.dependencies[name]).toEqual({ status: 'up', required, ms: expect.any(Number) });
    }
  });

  it('is not touched by SIGUSR1, by which any process of its user could open a debugger in it', async () => {
    process.kill(server.pid, 'SIGUSR1');
    await until('it says so', () => server.stdout().includes('SIGUSR1 is ignored'));
    expect(server.stdout()).not.toContain('Debugger listening');
    expect((await ready()).status).toBe(200);
  });

  it('comes with the release, which the metrics and the page at the root name as well', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
    expect((await ready()).body.version).toBe(version);
    const figures = await scrape(await operationsUrl(server));
    const labels = [`version="${version}"`, `node="${process.versions.node}"`];
    expect(samples(figures, 'zerostate_build_info', ...labels)).toEqual([1]);
    const landing = await (await fetch(server.url)).json();
    expect(landing).toMatchObject({ name: 'ZeroState', version });
  });

  it('is one of the links at the root, which a program gets as JSON and a browser as the console', async () => {
    const page = await fetch(server.url, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(await page.text()).toContain('<div id="root">');
    const { links } = (await (await fetch(server.url)).json()) as { links: Record<string, string> };
    expect(Object.keys(links)).toEqual(['documentation', 'openapi', 'api', 'live', 'ready']);
    for (const path of Object.values(links)) {
      if (path !== 'api/v1') expect([path, (await fetch(`${server.url}/${path}`)).status]).toEqual([path, 200]);
    }
  });

  it('is bad while migrations are missing, and says what to do', async () => {
    const client = new pg.Client(database.url);
    await client.connect();
    await client.query("UPDATE migrations SET name = name || '-gone' WHERE id = (SELECT max(id) FROM migrations)");
    const bad = await until('it is noticed', async () => {
      const answer = await ready();
      return answer.status === 503 && answer;
    });
    await client.query("UPDATE migrations SET name = replace(name, '-gone', '')");
    await client.end();
    expect(bad.body.status).toBe('not_ready');
    expect(bad.body.dependencies.migrations).toMatchObject({
      status: 'down',
      reason: expect.stringContaining('db:migrate'),
    });
    await until('it is good again', async () => (await ready()).status === 200);
  });

  it('is bad while the database answers and takes no writes, and says what to do', async () => {
    const client = new pg.Client(database.url);
    await client.connect();
    const name = new URL(database.url).pathname.slice(1);
    const set = async (setting: string) => {
      await client.query(`ALTER DATABASE ${name} ${setting}`);
      await client.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = current_user AND pid <> pg_backend_pid()',
        [name],
      );
    };
    await set('SET default_transaction_read_only = on');
    await until('it is noticed', async () => {
      const { status, body } = await ready();
      return status === 503 && /takes no writes: promote/.test(body.dependencies.database.reason);
    });
    await set('RESET default_transaction_read_only');
    await client.end();
    await until('it is good again', async () => (await ready()).status === 200);
  });

  it('is not ready any more, but alive, from the moment it is told to stop', async () => {
    const ended = server.kill('SIGTERM');
    const last = await until('it says that it stops', async () => {
      const answer = await ready();
      return answer.status === 503 && answer;
    });
    expect(last.body.dependencies.process).toMatchObject({ status: 'down', reason: 'stopping' });
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
    expect((await fetch(`${server.url}/docs-json`)).status).toBe(200);
    await ended;
  });
});

describe('an API process and a worker, with a queue that hangs and a store that is away', () => {
  let database: TestDatabase;
  let redis: RedisServer;
  let server: ServerProcess;
  let worker: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await startRedis();
    const env = {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      METRICS_PORT: '0',
      STORAGE_DRIVER: 's3',
      S3_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      S3_BUCKET: 'none',
      S3_REGION: 'us-east-1',
      S3_ACCESS_KEY_ID: 'none',
      S3_SECRET_ACCESS_KEY: 'none',
    };
    server = await startServer({ env, roles: ['api'] });
    // Its binaries go elsewhere; documents of tasks go to the bucket, too.
    worker = await startServer({ env: { ...env, STORAGE_DRIVER: 'ipfs' }, roles: ['worker'] });
  }, 120_000);

  afterAll(async () => {
    redis?.signal('SIGCONT');
    await Promise.all([server?.stop(), worker?.stop()]);
    await redis?.stop();
    await database?.drop();
  });

  it('leave the one ready and taking tasks, and the other not ready; both say why', async () => {
    const { token } = await registerUser(server.url);
    redis.signal('SIGSTOP');
    const withoutQueue = (url: string) =>
      until('it is noticed', async () => {
        const report = (await (await fetch(`${url}/health/ready`)).json()) as any;
        return report.dependencies.queue.status === 'down' && report;
      });
    const queue = { status: 'down', reason: 'no answer within 1000 ms' };
    const storage = { status: 'down', reason: expect.any(String) };
    expect(await withoutQueue(server.url)).toMatchObject({
      status: 'ready',
      dependencies: { queue: { ...queue, required: false }, storage: { ...storage, required: false } },
    });
    expect(await withoutQueue(await operationsUrl(worker))).toMatchObject({
      status: 'not_ready',
      dependencies: { queue: { ...queue, required: true }, storage: { ...storage, required: true } },
    });
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
    const task = { required_capabilities: ['any'], budget: 1, input: {} };
    expectStatus(await api(server.url).post('/tasks', task, { token }), 202);
    const figures = await scrape(await operationsUrl(server));
    for (const name of ['queue', 'storage']) {
      expect([name, samples(figures, 'zerostate_dependency_up', `dependency="${name}"`)]).toEqual([name, [0]]);
    }
  });
});
