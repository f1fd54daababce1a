import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, loginAdmin, registerUser, uploadAgent, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { endless, good, publish, submit } from './agents.js';
import { FeedSocket } from './feed-client.js';

/** What an admin does to what belongs to others, and with which key. Acts on accounts: `sessions.e2e-spec.ts`. */
describe('the audit trail', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let admin: { id: string; token: string };
  let key: { id: string; key: string };
  let owner: { id: string; token: string };
  let agentId: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url } });
    admin = await known(await loginAdmin(server.url));
    owner = await known((await registerUser(server.url)).token);
    key = await createKey(['admin', 'agents:write', 'tasks:read', 'tasks:write']);
    agentId = await publish(server.url, owner.token, 'theirs', await good(), { capabilities: ['theirs'] });
    await publish(server.url, owner.token, 'endless', await endless(), { capabilities: ['endless'] });
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  it("tells which admin did what to somebody else's agent, with which key and from where", async () => {
    const form = new FormData();
    form.set('version', '2.0.0');
    form.set('wasm_binary', new Blob([Uint8Array.from(await good())], { type: 'application/wasm' }), 'theirs.wasm');
    expectStatus(await act('PATCH', `/agents/${agentId}`, { price: 2, status: 'paused' }), 200);
    expectStatus(await act('POST', `/agents/${agentId}/binary`, form), 201);
    expectStatus(await act('POST', `/agents/${agentId}/versions/1.0.0/activate`), 200);
    expectStatus(await act('DELETE', `/agents/${agentId}/binary?version=2.0.0`), 200);
    expectStatus(await act('DELETE', `/agents/${agentId}`), 204);

    const agent = { agent_id: agentId, slug: 'theirs' };
    const expected = [
      { type: 'agent.updated', details: { ...agent, status: 'paused', fields: ['price', 'status'] } },
      {
        type: 'agent.version_uploaded',
        details: { ...agent, version: '2.0.0', active: true, sha256: expect.any(String) },
      },
      { type: 'agent.version_activated', details: { ...agent, version: '1.0.0', sha256: expect.any(String) } },
      { type: 'agent.version_retired', details: { ...agent, versions: ['2.0.0'], active_version: '1.0.0' } },
      { type: 'agent.updated', details: { ...agent, status: 'retired' } },
    ];
    expect(await trail(`user_id=${owner.id}&key_id=${key.id}`)).toEqual(
      expected.map((entry) => ({
        ...entry,
        id: expect.any(String),
        at: expect.any(String),
        actor_id: admin.id,
        key_id: key.id,
        subject_id: owner.id,
        address: expect.stringMatching(/127\.0\.0\.1|::1/),
      })),
    );
  });

  it("tells which admin cancelled, retried or rated somebody else's task, whose error says that it was not the submitter", async () => {
    const running = await submit(server.url, owner.token, 'endless', { timeout_ms: 300_000 });
    await waitForTask(server.url, owner.token, running, 'running');
    const failed = await submit(server.url, owner.token, 'missing');
    await waitForTask(server.url, owner.token, failed, 'failed');
    const other = await registerUser(server.url);
    await publish(server.url, other.token, 'rated', await good(), { capabilities: ['rated'] });
    const done = await submit(server.url, owner.token, 'rated');
    await waitForTask(server.url, owner.token, done, 'completed');

    const cancelled = expectStatus(await act('POST', `/tasks/${running}/cancel`), 200).body;
    expect(cancelled.error).toEqual({ code: 'CANCELLED', message: 'Cancelled by an administrator.' });
    expectStatus(await act('POST', `/tasks/${failed}/retry`), 202);
    expectStatus(await act('POST', `/tasks/${done}/rating`, { rating: 3 }), 200);
    for (const [type, details] of [
      ['task.cancelled', { task_id: running }],
      ['task.retried', { task_id: failed }],
      ['task.rated', { task_id: done, rating: 3 }],
    ] as const) {
      const entry = { actor_id: admin.id, key_id: key.id, subject_id: owner.id, details };
      expect(await trail(`type=${type}`)).toEqual([expect.objectContaining(entry)]);
    }
  });

  it("tells which admin read somebody else's task, and nothing of what its submitter reads", async () => {
    await publish(server.url, owner.token, 'read', await good(), { capabilities: ['read'] });
    const id = await submit(server.url, owner.token, 'read');
    await waitForTask(server.url, owner.token, id, 'completed');
    const looks = { '': 'task', '/result': 'result', '/input': 'input', '/auction': 'auction', '/events': 'events' };
    for (const path of Object.keys(looks)) {
      expectStatus(await api(server.url).get(`/tasks/${id}${path}`, { token: owner.token }), 200);
      expectStatus(await api(server.url).get(`/tasks/${id}${path}`, { headers: { 'x-api-key': key.key } }), 200);
      // A page that renews itself does not fill the trail.
      expectStatus(await api(server.url).get(`/tasks/${id}${path}`, { headers: { 'x-api-key': key.key } }), 200);
    }
    const { items } = expectStatus(
      await api(server.url).get(`/tasks?user_id=${owner.id}`, { headers: { 'x-api-key': key.key } }),
      200,
    ).body;
    expect(items.map((task: { id: string }) => task.id)).toContain(id);
    const entry = { actor_id: admin.id, key_id: key.id, subject_id: owner.id };
    const expected = Object.values(looks).map((what) => ({ ...entry, details: { task_id: id, what } }));
    expect(await trail('type=task.read')).toMatchObject(expected);
    expect(await trail('type=tasks.listed')).toMatchObject([{ ...entry, details: {} }]);
  });

  it('tells which admin followed the feed of somebody else, or all of it', async () => {
    const socket = await FeedSocket.connect(server.url, { token: admin.token });
    for (const topic of [`user:${owner.id}`, `user:${admin.id}`, 'admin', 'admin']) {
      expect(await socket.ask('subscribe', { topic })).toMatchObject({ ok: true });
      await socket.ask('unsubscribe', { topic });
    }
    socket.close();
    expect(await trail('type=feed.followed')).toMatchObject([
      { actor_id: admin.id, subject_id: owner.id, details: { topic: `user:${owner.id}` } },
      { actor_id: admin.id, subject_id: null, details: { topic: 'admin' } },
    ]);
  });

  it('tells who made an announcement, and who changed the log level or the queue', async () => {
    expectStatus(await act('POST', '/gateway/announcements', { message: 'Back at noon.' }), 201);
    expectStatus(await act('PUT', '/log-level', { level: 'debug' }), 200);
    expectStatus(await act('POST', '/queue/pause'), 200);
    expectStatus(await api(server.url).post('/queue/resume', undefined, { token: admin.token }), 200);
    for (const [type, details, keyId] of [
      ['announcement.made', { message: 'Back at noon.' }, key.id],
      ['log_level.changed', expect.objectContaining({ to: 'debug' }), key.id],
      ['queue.paused', {}, key.id],
      ['queue.resumed', {}, null],
    ] as const) {
      const entry = { actor_id: admin.id, key_id: keyId, subject_id: null, details };
      expect(await trail(`type=${type}`)).toEqual([expect.objectContaining(entry)]);
    }
  });

  it('tells with which key a key was made', async () => {
    const maker = await createKey(['account:write']);
    const headers = { 'x-api-key': maker.key };
    const made = { name: 'made', scopes: ['account:write'] };
    const { id } = expectStatus(await api(server.url).post('/auth/api-keys', made, { headers }), 201).body;
    expect(await trail(`key_id=${maker.id}`)).toMatchObject([
      { type: 'api_key.created', actor_id: admin.id, details: { key_id: id, scopes: ['account:write'] } },
    ]);
  });

  it('tells nothing of what somebody does with its own, nor of what was refused', async () => {
    const before = await trail('limit=100');
    const own = await known((await registerUser(server.url)).token);
    const mine = await publish(server.url, own.token, 'mine', await good(), { capabilities: ['mine'] });
    const options = { token: own.token };
    expectStatus(await api(server.url).patch(`/agents/${mine}`, { price: 2 }, options), 200);
    const task = await submit(server.url, own.token, 'missing');
    await waitForTask(server.url, own.token, task, 'failed');
    expectStatus(await api(server.url).post(`/tasks/${task}/retry`, undefined, options), 202);

    expectStatus(await act('POST', `/tasks/${await ended(own.token)}/cancel`), 409);
    expectStatus(await act('POST', `/tasks/${await ended(own.token)}/retry`), 409);
    expectStatus(await act('PATCH', `/agents/${mine}`, { price: -1 }), 400);
    expectStatus(await act('POST', `/agents/${mine}/versions/9.9.9/activate`), 404);
    expectStatus(await uploadAgent(server.url, admin.token, mine, Buffer.from('not wasm'), { version: '3.0.0' }), 422);
    expectStatus(await act('POST', '/gateway/announcements', { message: '' }), 400);
    expectStatus(await api(server.url).post('/gateway/announcements', { message: 'Hello' }, options), 403);
    const types = (await trail('limit=100')).slice(before.length).map(({ type }) => type);
    expect(types).toEqual(['account.registered', 'login.succeeded']);
  });

  const known = async (token: string) => ({
    token,
    id: expectStatus(await api(server.url).get('/auth/me', { token }), 200).body.id as string,
  });

  const ended = async (token: string): Promise<string> => {
    const id = await submit(server.url, token, 'mine');
    await waitForTask(server.url, token, id, 'completed');
    return id;
  };

  async function createKey(scopes: string[]): Promise<{ id: string; key: string }> {
    const body = { name: 'a key of an admin', scopes };
    return expectStatus(await api(server.url).post('/auth/api-keys', body, { token: admin.token }), 201).body;
  }

  /** As the admin, by its key. */
  function act(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object) {
    const client = api(server.url);
    const options = { headers: { 'x-api-key': key.key } };
    if (method === 'DELETE') return client.delete(path, options);
    return client[method.toLowerCase() as 'post' | 'put' | 'patch'](path, body, options);
  }

  /** The oldest first. */
  const trail = async (query: string): Promise<{ type: string }[]> =>
    expectStatus(await api(server.url).get(`/audit?${query}`, { token: admin.token }), 200).body.items.reverse();
});
