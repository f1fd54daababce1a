import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';

describe('the health of a process', () => {
  let database: TestDatabase;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url, SHUTDOWN_DELAY_MS: '3000' } });
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
    const names = ['database', 'migrations', 'queue', 'sandbox', 'storage'];
    expect(Object.keys(body.dependencies).sort()).toEqual(names);
    for (const name of names) {
      expect(body.dependencies[name]).toEqual({ status: 'up', required: true, ms: expect.any(Number) });
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
