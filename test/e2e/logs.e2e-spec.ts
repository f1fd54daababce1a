import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/data-source.js';
import { AgentSecrets } from '../../src/secrets/agent-secrets.js';
import { ADMIN, api, expectStatus, loginAdmin, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { chatty, good, publish, submit, trapping } from './agents.js';
import { ask } from './rows.js';

type Line = Record<string, unknown>;

describe('the log', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let user: TestUser;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url, JWT_SECRET: SECRET, SECRETS_KEY: OLD_KEY } });
    user = await registerUser(server.url);
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  const lines = (): Line[] =>
    server
      .stdout()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);

  const find = (fields: Line): Promise<Line> =>
    until(`the log says ${JSON.stringify(fields)}`, () =>
      lines().find((line) => Object.entries(fields).every(([name, value]) => line[name] === value)),
    );

  it('has one line for each request, job and attempt, with trace, subjects and duration', async () => {
    const broken = await publish(server.url, user.token, 'broken', await trapping(), {
      price: '0.1',
      capabilities: ['log'],
    });
    const sound = await publish(server.url, user.token, 'sound', await good(), { price: '0.2', capabilities: ['log'] });
    const id = await submit(server.url, user.token, 'log');
    const { body: me } = expectStatus(await api(server.url).get('/auth/me', { token: user.token }), 200);
    await waitForTask(server.url, user.token, id, 'completed');

    const request = await find({ msg: 'request', method: 'POST', route: '/api/v1/tasks' });
    const duration_ms = expect.any(Number);
    const user_id = me.id;
    expect(request).toMatchObject({ level: 'info', status: 202, task_id: id, user_id, duration_ms });
    const { trace_id } = request;
    expect(trace_id).toMatch(/^[0-9a-f]{32}$/);

    const job = await find({ msg: 'job', task_id: id });
    expect(job).toMatchObject({ trace_id, user_id, agent_id: sound, outcome: 'done', duration_ms });
    const attempts = lines().filter((line) => line.msg === 'attempt' && line.task_id === id);
    expect(attempts).toMatchObject([
      { trace_id, agent_id: broken, user_id, attempt: 1, outcome: 'trapped', duration_ms },
      { trace_id, agent_id: sound, user_id, attempt: 2, outcome: 'completed', duration_ms },
    ]);
    expect(lines().filter((line) => line.route === '/health/live')).toEqual([]);
  });

  it('has the line of an attempt and of a job also when the server could not go on with it', async () => {
    await publish(server.url, user.token, 'lengthy', await chatty(20), { capabilities: ['lengthy'] });
    const refusing = async (status: string, work: () => Promise<void>): Promise<void> => {
      await ask(
        database.url,
        `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'for the test'; END $$`,
      );
      await ask(
        database.url,
        `CREATE TRIGGER refuse BEFORE UPDATE ON tasks FOR EACH ROW WHEN (NEW.status = '${status}') EXECUTE FUNCTION refuse()`,
      );
      await work().finally(() => ask(database.url, 'DROP FUNCTION refuse CASCADE'));
    };
    const outcome = 'fault';
    const duration_ms = expect.any(Number);

    let task_id = '';
    await refusing('running', async () => {
      task_id = await submit(server.url, user.token, 'lengthy');
      expect(await find({ msg: 'attempt', task_id, outcome })).toMatchObject({ attempt: 1, duration_ms });
    });
    await waitForTask(server.url, user.token, task_id, 'completed');
    expect(await find({ msg: 'job', task_id, outcome: 'handed_back' })).toMatchObject({ duration_ms });

    await refusing('failed', async () => {
      task_id = await submit(server.url, user.token, 'nobody-offers-this');
      expect(await find({ msg: 'job', task_id, outcome })).toMatchObject({ user_id: expect.any(String), duration_ms });
    });
  });

  it('names an agent by its id where a request names it by its slug, and a task also on the way to its document', async () => {
    const agent_id = await publish(server.url, user.token, 'by-slug', await good(), { capabilities: ['slug'] });
    expect(await find({ route: '/api/v1/agents/:id/binary', agent_id })).toMatchObject({ status: 201 });
    expectStatus(await api(server.url).get('/agents/by-slug', { token: user.token }), 200);
    await find({ route: '/api/v1/agents/:id', agent_id });
    const body = { required_capabilities: ['slug'], budget: 1, input: {}, result_as: 'ref' };
    const task_id = expectStatus(await api(server.url).post('/tasks', body, { token: user.token }), 202).body.id;
    await waitForTask(server.url, user.token, task_id, 'completed');
    expectStatus(await api(server.url).get(`/tasks/${task_id}/result`, { token: user.token }), 302);
    await find({ route: '/api/v1/tasks/:id/result', status: 302, task_id });
    expectStatus(await api(server.url).get('/agents/no-such-agent', { token: user.token }), 404);
    expect(await find({ route: '/api/v1/agents/:id', status: 404 })).not.toHaveProperty('agent_id');
  });

  it('is found by the trace_id of a problem, which is the trace the caller sent, if it sent one', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const missing = '/tasks/01993c5e-8a1b-7c3d-9e4f-5a6b7c8d9e0f';
    const traced = await api(server.url).get(missing, { token: user.token, headers: { traceparent } });
    expect(traced.body.trace_id).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
    expect(await find({ trace_id: traced.body.trace_id })).toMatchObject({ msg: 'request', status: 404 });

    const untraced = await api(server.url).get(missing, { token: user.token, headers: { traceparent: 'nonsense' } });
    expect(await find({ trace_id: untraced.body.trace_id })).toMatchObject({ status: 404, route: '/api/v1/tasks/:id' });
  });

  it('can be made to tell more or less by an admin, while it runs, which the audit trail keeps', async () => {
    const token = await loginAdmin(server.url);
    const set = (level: string, as = token) => api(server.url).put('/log-level', { level }, { token: as });
    expectStatus(await set('loud'), 400);
    expectStatus(await set('debug', user.token), 403);
    expect(expectStatus(await set('warn'), 200).body).toEqual({ level: 'warn' });
    expectStatus(await api(server.url).get('/agents?limit=7', { token }), 200);
    expectStatus(await api(server.url).get('/log-level', { token }), 200);
    expectStatus(await set('log'), 200);
    expectStatus(await api(server.url).get('/queue/stats', { token }), 200);
    await find({ route: '/api/v1/queue/stats' });
    expect(lines().filter(({ method, route }) => method === 'GET' && route === '/api/v1/log-level')).toEqual([]);

    const { body } = expectStatus(await api(server.url).get('/audit?type=log_level.changed', { token }), 200);
    expect(body.items.map((item: any) => item.details)).toMatchObject([
      { from: 'warn', to: 'log' },
      { from: 'log', to: 'warn' },
    ]);
  });

  it('can be made to in every process, also in one without an API', async () => {
    const token = await loginAdmin(server.url);
    const worker = await startServer({ roles: ['worker'], env: { DATABASE_URL: database.url, LOG_LEVEL: 'error' } });
    const told = (level: string) => worker.stdout().includes(`"msg":"log level is now ${level}"`);
    const hears = (level: string) =>
      until(`the worker hears of ${level}`, async () => {
        expectStatus(await api(server.url).put('/log-level', { level }, { token }), 200);
        return told(level);
      });
    try {
      expect(worker.stdout()).not.toContain('"level":"info"');
      await hears('debug');
      await hears('log');
    } finally {
      await worker.stop();
    }
  });

  it('holds no secret of an agent, and neither do answers, events and the audit trail', async () => {
    const { url } = server;
    const options = { token: user.token };
    const agentId = await publish(url, user.token, 'keeper', await good(), { capabilities: ['keep'] });
    const path = '/agents/keeper/secrets';
    const body = { value: CANARY, host: 'api.example.com' };
    const answers: unknown[] = [];
    const call = async (
      status: number,
      method: 'get' | 'put' | 'delete',
      where: string,
      token: string,
      sent?: object,
    ) => {
      const answer = await (method === 'put'
        ? api(url).put(where, sent, { token })
        : api(url)[method](where, { token }));
      answers.push(expectStatus(answer, status).body);
      return answer.body;
    };
    const set = await call(200, 'put', `${path}/KEY`, user.token, body);
    expect(set).toEqual({ name: 'KEY', host: 'api.example.com', set_at: expect.any(String) });
    for (const wrong of [
      { host: '127.0.0.1' },
      { host: 'db.internal' },
      { value: `${CANARY}\r\nx: y` },
      { value: 'short' },
    ]) {
      await call(400, 'put', `${path}/KEY`, user.token, { ...body, ...wrong });
    }
    await call(400, 'put', `${path}/not-a-name`, user.token, body);
    for (let n = 1; n < 32; n++) await call(200, 'put', `${path}/KEY_${n}`, user.token, body);
    await call(403, 'put', `${path}/KEY_32`, user.token, body);
    expect((await call(200, 'get', path, user.token)).items).toHaveLength(32);
    for (const token of [(await registerUser(url)).token, await loginAdmin(url)]) {
      await call(404, 'get', `/agents/${agentId}/secrets`, token);
      await call(404, 'put', `/agents/${agentId}/secrets/KEY`, token, body);
      await call(404, 'delete', `/agents/${agentId}/secrets/KEY`, token);
    }
    await call(204, 'delete', `${path}/KEY_31`, user.token);
    await call(404, 'delete', `${path}/KEY_31`, user.token);
    await find({ method: 'DELETE', status: 404, route: '/api/v1/agents/:id/secrets/:name' });

    const [{ rows }] = await ask<{ rows: string }>(
      database.url,
      `SELECT concat((SELECT string_agg(a::text, ' ') FROM audit_log a), (SELECT string_agg(e::text, ' ') FROM task_events e),
                     (SELECT string_agg(concat(s::text, encode(sealed, 'escape')), ' ') FROM agent_secrets s)) AS rows`,
    );
    expect(rows).toContain('secret.set');
    expect(rows).toContain('secret.deleted');
    expect([server.stdout(), rows, JSON.stringify(answers)].filter((text) => text.includes(CANARY))).toEqual([]);

    // After a change of keys it is there for egress alone; once the agent is retired, it is gone.
    const dataSource = await new DataSource(dataSourceOptions(database.url)).initialize();
    const withKeys = (key: string, previousKeys: string[]) =>
      new AgentSecrets(dataSource, null as never, null as never, { key, previousKeys });
    await expect(withKeys(NEW_KEY, []).reveal(agentId, ['KEY'])).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    await withKeys(NEW_KEY, [OLD_KEY]).onApplicationBootstrap();
    const revealed = await withKeys(NEW_KEY, []).reveal(agentId, ['KEY', 'NONE']);
    expect(revealed).toEqual([{ name: 'KEY', host: 'api.example.com', value: CANARY }]);
    expectStatus(await api(url).delete('/agents/keeper', options), 204);
    expect(await withKeys(NEW_KEY, []).reveal(agentId, ['KEY'])).toEqual([]);
    await dataSource.destroy();
  });

  it('tells no secret', async () => {
    const options = { token: user.token };
    const key = expectStatus(
      await api(server.url).post('/auth/api-keys', { name: 'log', scopes: ['agents:read'] }, options),
      201,
    ).body;
    const session = expectStatus(
      await api(server.url).post('/auth/login', { email: user.email, password: user.password }),
      200,
    );
    await api(server.url).post('/auth/refresh', { refresh_token: session.body.refresh_token });
    await api(server.url).get('/agents', { headers: { 'x-api-key': key.key } });
    const download = await api(server.url).get('/agents/sound/binary', options);
    const link = download.headers.get('location') ?? '';
    if (link) await fetch(new URL(link, server.url));
    await find({ route: '/api/v1/auth/refresh' });

    const secrets = [
      SECRET,
      ADMIN.password,
      user.password,
      user.token,
      key.key,
      session.body.access_token,
      session.body.refresh_token,
      /signature=([\w-]+)/.exec(link)?.[1],
      new URL(database.url).password,
    ].filter(Boolean);
    expect(secrets.length).toBeGreaterThanOrEqual(7);
    expect(secrets.filter((secret) => server.stdout().includes(secret))).toEqual([]);
  });
});

const SECRET = 'a signing secret for the suite about logs';
const OLD_KEY = 'the key that the server of this suite has';
const NEW_KEY = 'the key that the operator changes it for';
const CANARY = 'canary-0b7e44d19a';
