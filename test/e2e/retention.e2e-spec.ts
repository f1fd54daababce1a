import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { endless, good, publish, submit } from './agents.js';
import { payloadFaults } from './asyncapi.js';
import { FeedSocket } from './feed-client.js';
import { ask } from './rows.js';

const SECOND_IN_DAYS = 1 / 86_400;

/** What becomes of tasks and events whose time is over. */
describe('retention', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let user: TestUser;
  let agentId: string;
  const ended: string[] = [];
  let running: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url } });
    user = await registerUser(server.url);
    const owner = await registerUser(server.url);
    agentId = await publish(server.url, owner.token, 'good', await good(), { capabilities: ['good'] });
    await publish(server.url, user.token, 'endless', await endless(), { capabilities: ['endless'] });
    for (const key of ['old', 'current', 'another']) {
      const task = { required_capabilities: ['good'], budget: 10, input: {} };
      const options = { token: user.token, headers: { 'idempotency-key': key } };
      ended.push(expectStatus(await api(server.url).post('/tasks', task, options), 202).body.id);
    }
    for (const id of ended) await waitForTask(server.url, user.token, id, 'completed');
    running = await submit(server.url, user.token, 'endless', { timeout_ms: 300_000 });
    await waitForTask(server.url, user.token, running, 'running');
    await until('the statistics have seen them', async () => (await statistics()).tasks_completed === 3);
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  const get = (path: string) => api(server.url).get(path, { token: user.token });
  const statistics = async () => expectStatus(await get(`/agents/${agentId}/card`), 200).body.statistics;
  const one = async (query: string): Promise<number> =>
    Number((await ask<{ value: string }>(database.url, query, []))[0].value);

  it('keeps everything by default', async () => {
    expect(await one('SELECT count(*) AS value FROM tasks')).toBe(4);
    const socket = await FeedSocket.connect(server.url, { token: user.token });
    const answer = await socket.ask('subscribe', { topic: `task:${ended[0]}`, after_seq: 0 });
    expect(answer).not.toHaveProperty('gap');
    socket.close();
  });

  it('deletes ended tasks, old events, logins and keys, in one process of several, and nothing that is under way', async () => {
    const old = await registerUser(server.url);
    await ask(
      database.url,
      `UPDATE sessions SET revoked_at = now() - interval '31 days'
        WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      [old.email],
    );
    const logins = await one('SELECT count(*) AS value FROM sessions WHERE revoked_at IS NULL');
    await ask(
      database.url,
      `UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'old'`,
      [],
    );
    const last = await one('SELECT max(seq) AS value FROM task_events');
    const before = await statistics();
    expect(before).toMatchObject({ cpu_p80_ms: expect.any(Number), memory_p80_bytes: expect.any(Number) });
    const env = {
      DATABASE_URL: database.url,
      TASK_RETENTION_DAYS: String(SECOND_IN_DAYS),
      EVENT_RETENTION_DAYS: String(SECOND_IN_DAYS),
      RETENTION_INTERVAL_MS: '200',
    };
    const cleaners = await Promise.all([0, 1].map(() => startServer({ env, roles: ['worker'] })));
    await until('the ended ones are gone', async () => (await one('SELECT count(*) AS value FROM tasks')) === 1);
    await until('the old events are gone', async () => (await one('SELECT count(*) AS value FROM task_events')) === 1);
    const ofOld = 'SELECT count(*) AS value FROM sessions WHERE revoked_at IS NOT NULL';
    await until('the old logins are gone', async () => (await one(ofOld)) === 0);
    expect(await one('SELECT count(*) AS value FROM sessions')).toBe(logins);
    const ofKeys = `SELECT count(*) AS value FROM idempotency_keys WHERE key = 'old'`;
    await until('the old key is gone', async () => (await one(ofKeys)) === 0);
    expect(await one('SELECT count(*) AS value FROM idempotency_keys')).toBe(2);
    await Promise.all(cleaners.map((cleaner) => cleaner.stop()));
    for (const table of ['task_attempts', 'auctions']) {
      expect(await one(`SELECT count(*) AS value FROM ${table}`)).toBe(1);
    }
    expectStatus(await get(`/tasks/${ended[0]}`), 404);
    expect(expectStatus(await get(`/tasks/${running}`), 200).body.status).toBe('running');
    expect(await one('SELECT max(seq) AS value FROM task_events')).toBe(last);
    expect(await statistics()).toEqual(before);
  }, 120_000);

  it('deletes API keys some time after they were revoked or expired, and keeps what the audit trail says of them', async () => {
    const make = async (name: string): Promise<string> => {
      const key = { name, scopes: ['tasks:read'] };
      return expectStatus(await api(server.url).post('/auth/api-keys', key, { token: user.token }), 201).body.id;
    };
    const revoked = await make('revoked long ago');
    const expired = await make('expired long ago');
    for (const name of ['revoked lately', 'expired lately', 'in use']) await make(name);
    for (const [name, column, days] of [
      ['revoked long ago', 'revoked_at', 4],
      ['expired long ago', 'expires_at', 4],
      ['revoked lately', 'revoked_at', 2],
      ['expired lately', 'expires_at', 2],
    ]) {
      const change = `UPDATE api_keys SET ${column} = now() - $2 * interval '1 day' WHERE name = $1`;
      await ask(database.url, change, [name, days]);
    }
    const env = { DATABASE_URL: database.url, ACCESS_RETENTION_DAYS: '3', RETENTION_INTERVAL_MS: '200' };
    const cleaner = await startServer({ env, roles: ['worker'] });
    const left = async () =>
      (await get('/auth/api-keys')).body.items.map(({ name }: { name: string }) => name) as string[];
    await until('the old ones are gone', async () => (await left()).length === 3);
    expect(await left()).toEqual(['in use', 'expired lately', 'revoked lately']);
    await cleaner.stop();
    const rows = await ask<{ id: string }>(
      database.url,
      `SELECT details->>'key_id' AS id FROM audit_log WHERE type = 'api_key.created'`,
    );
    expect(rows.map(({ id }) => id)).toEqual(expect.arrayContaining([revoked, expired]));
  });

  it('tells a subscriber that comes with an older cursor, over both transports, and no other', async () => {
    const oldest = await one('SELECT min(seq) AS value FROM task_events');
    const socket = await FeedSocket.connect(server.url, { token: user.token });
    const topic = `task:${running}`;
    expect(await socket.ask('subscribe', { topic, after_seq: 0 })).toMatchObject({ gap: true, oldest_seq: oldest });
    expect(await socket.ask('subscribe', { topic, after_seq: oldest - 1 })).not.toHaveProperty('gap');
    const beyond = { gap: true, oldest_seq: oldest, events: [], complete: true };
    expect(await socket.ask('subscribe', { topic, after_seq: 1e12 })).toMatchObject(beyond);
    expect(expectStatus(await get('/events'), 200).body).toMatchObject({ gap: true, oldest_seq: oldest });
    expect(expectStatus(await get(`/events?after_seq=${oldest - 1}`), 200).body).not.toHaveProperty('gap');
    socket.close();

    const late = await FeedSocket.connect(server.url, { token: user.token, after_seq: 0 });
    await until('it is told', () => late.gaps.length > 0);
    expect(late.gaps[0]).toMatchObject({ oldest_seq: oldest });
    expect((await payloadFaults())('gap', late.gaps[0])).toEqual([]);
    late.close();

    const leave = new AbortController();
    const stream = await fetch(`${server.url}/api/v1/tasks/${running}/events?after_seq=1`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${user.token}` },
      signal: leave.signal,
    });
    const { value } = await stream.body!.getReader().read();
    expect(new TextDecoder().decode(value)).toContain(`event: gap\ndata: {"oldest_seq":${oldest}}\n\n`);
    leave.abort();
    expectStatus(await api(server.url).post(`/tasks/${running}/cancel`, undefined, { token: user.token }), 200);
  });
});
