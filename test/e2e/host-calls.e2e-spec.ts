import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifyLedger } from '../../src/ledger/verification.js';
import {
  api,
  expectStatus,
  loginAdmin,
  registerUser,
  type TestUser,
  uploadAgent,
  waitForTask,
} from '../support/client.js';
import { componentAgent, componentCaller, memoryBomb } from '../support/components.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { type FeedEvent, good, publish } from './agents.js';
import { caller, callOf } from './host-call-agents.js';
import { ask } from './rows.js';

describe('host calls', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let admin: string;
  let owner: TestUser;
  let user: TestUser;
  let stateful: string;
  let service: Server;
  /** What the service was asked: path and authorization. */
  const asked: string[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    // A model's endpoint, and a host on the web that answers what it was sent.
    service = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`);
      response.setHeader('content-type', 'application/json');
      if (request.url !== '/v1/chat/completions') return response.end(JSON.stringify(request.headers));
      const usage = { prompt_tokens: 1000, completion_tokens: 100 };
      return response.end(JSON.stringify({ choices: [{ message: { content: 'hi' } }], usage }));
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    const { port } = service.address() as AddressInfo;
    const env = {
      DATABASE_URL: database.url,
      SIGNUP_CREDITS: '100',
      MIN_AGENT_RATING: '0',
      HOST_CALLS_PER_ATTEMPT: '20',
      AGENT_STATE_ENTRIES: '3',
      HOST_CALL_OUTPUT_BYTES: '1024',
      EGRESS_PRIVATE_HOSTS: `service.example.com:80=127.0.0.1:${port}`,
      LLM_BASE_URL: `http://127.0.0.1:${port}/v1/`,
      LLM_API_KEY: 'key-of-the-operator',
      LLM_MODELS: JSON.stringify({
        small: { model: 'upstream', input_price: '1.5', output_price: 6, max_tokens: 1000 },
      }),
    };
    server = await startServer({ env });
    admin = await loginAdmin(server.url);
    owner = await registerUser(server.url);
    user = await registerUser(server.url);
    stateful = await publish(server.url, owner.token, 'stateful', await caller(), {
      capabilities: ['stateful'],
      permissions: '{"kv":{}}',
    });
    await publish(server.url, owner.token, 'speaker', await caller(3), {
      capabilities: ['speaker'],
      permissions: '{"output":true}',
    });
    await publish(server.url, owner.token, 'bomb', await caller(10_000), {
      capabilities: ['bomb'],
      permissions: '{"kv":{}}',
    });
    await publish(server.url, owner.token, 'fetcher', await caller(), {
      capabilities: ['fetcher'],
      permissions: '{"http":{"hosts":["service.example.com"]}}',
    });
    await publish(server.url, owner.token, 'writer', await caller(), {
      capabilities: ['writer'],
      permissions: '{"llm":{"models":["small"]}}',
    });
    await publish(server.url, owner.token, 'burner', await caller(1, 'unreachable'), {
      capabilities: ['burner'],
      permissions: '{"llm":{"models":["small"]}}',
    });
  });

  afterAll(async () => {
    await server?.stop();
    service?.close();
    await database?.drop();
  });

  it('are declared at the upload, as a part of the version, and shown with it', async () => {
    const versions = expectStatus(await get(`/agents/${stateful}/versions`, owner.token), 200).body.items;
    expect(versions[0].permissions).toEqual({ kv: {} });
    const again = await uploadAgent(server.url, owner.token, 'stateful', await caller(), {
      version: '1.0.0',
      permissions: '{"output":true}',
    });
    expect(expectStatus(again, 409).body.code).toBe('VERSION_TAKEN');
  });

  it.each([
    ['{"http":{"hosts":["*"]}}', 'permissions.http.hosts'],
    ['{"http":{"hosts":["169.254.169.254"]}}', 'permissions.http.hosts'],
    ['{"files":{}}', 'permissions.files'],
    ['[]', 'permissions'],
    ['yes', 'permissions'],
  ])('are refused at the upload by the path of the member: %s', async (permissions, field) => {
    const refused = expectStatus(
      await uploadAgent(server.url, owner.token, 'wrong', await caller(), { permissions }),
      400,
    );
    expect(refused.body.errors[0].field).toBe(field);
    expectStatus(await get('/agents/wrong', owner.token), 404);
  });

  it('cannot be imported without a permission', async () => {
    const refused = expectStatus(await uploadAgent(server.url, owner.token, 'wrong', await caller()), 422);
    expect(refused.body).toMatchObject({ code: 'PERMISSIONS_MISSING' });
  });

  it('come from components, which import them as an interface and need permissions as well', async () => {
    const wasm = componentCaller('kv.put');
    const refused = expectStatus(await uploadAgent(server.url, owner.token, 'component', wasm), 422);
    const detail = expect.stringContaining('The component imports "zerostate:agent/host@1.2.3"');
    expect(refused.body).toMatchObject({ code: 'PERMISSIONS_MISSING', detail });
    const form = { capabilities: ['component'], permissions: '{"kv":{}}' };
    const uploaded = expectStatus(await uploadAgent(server.url, owner.token, 'component', wasm, form), 201).body;
    expect(uploaded.validation).toMatchObject({
      form: 'component',
      imports: [{ module: 'zerostate:agent/host@1.2.3', kind: 'instance' }],
      component: { world: 'zerostate:agent/agent', core_modules: [{ functions_count: 1 }, { functions_count: 1 }] },
    });
    const input = { key: 'a', value: 1 };
    const task = { required_capabilities: ['component'], budget: 1, input, allow: { kv: true } };
    const { id } = expectStatus(await post('/tasks', task, user.token), 202).body;
    const done = await waitForTask(server.url, user.token, id, 'completed');
    expect(done.result).toEqual({ revision: 1 });
    expect(done.attempts[0].metering).toMatchObject({ host_calls: 1 });
  });

  it('are not needed by a component: one of a C compiler answers, logs, traps and fails as any agent', async () => {
    const wasm = await readFile(new URL('../../../test/fixtures/components/command.wasm', import.meta.url));
    await publish(server.url, owner.token, 'command', wasm, { capabilities: ['command'] });
    const run = async (input: unknown, status: string) => {
      const task = { required_capabilities: ['command'], budget: 1, input };
      const { id } = expectStatus(await post('/tasks', task, user.token), 202).body;
      return waitForTask(server.url, user.token, id, status);
    };
    const done = await run({ n: 1 }, 'completed');
    expect(done.result).toEqual({ bytes: 7, input: { n: 1 } });
    expect(done.attempts[0].metering).toMatchObject({ peak_memory_bytes: 327_680, host_calls: expect.any(Number) });
    expect((await run('trap', 'failed')).attempts[0].error.code).toBe('AGENT_TRAPPED');
    expect((await run('fail', 'failed')).attempts[0].error.message).toContain('told to fail');
  });

  it('come from components with models and partial results, too', async () => {
    const answers = async (slug: string, method: string, permissions: string, input: unknown, allow: object) => {
      const form = { capabilities: [slug], permissions };
      await publish(server.url, owner.token, slug, Buffer.from(componentCaller(method)), form);
      return run(slug, input, allow, { max_host_cost: 1 });
    };
    const chat = { model: 'small', messages: [{ role: 'user', content: 'hello' }] };
    const written = await answers('model-component', 'llm.chat', '{"llm":{"models":["small"]}}', chat, { llm: true });
    expect(written).toMatchObject({ result: { content: 'hi' }, host_cost: COST });
    const told = await answers('output-component', 'output.emit', '{"output":true}', { data: 1 }, {});
    const outputs = (await eventsOf(told.id, user.token)).filter(({ type }) => type === 'task.output');
    expect(outputs).toMatchObject([{ data: { n: 0, data: 1 } }]);
  });

  it('are behind fetch of a JavaScript component, which uploads with the default limits', async () => {
    const packed = await readFile(new URL('../../../test/fixtures/components/javascript.wasm.br', import.meta.url));
    await publish(server.url, owner.token, 'javascript', brotliDecompressSync(packed), {
      capabilities: ['javascript'],
      permissions: '{"http":{"hosts":["service.example.com"],"methods":["GET","POST"]}}',
    });
    const run = async (more: object) => {
      const input = { text: 'Ada', ...more };
      const task = { required_capabilities: ['javascript'], budget: 1, input, allow: { http: true } };
      const { id } = expectStatus(await post('/tasks', task, user.token), 202).body;
      return waitForTask(server.url, user.token, id, 'completed');
    };
    const done = await run({ url: 'http://service.example.com/fetched' });
    expect(done.result).toMatchObject({ reversed: 'adA', status: 200, type: 'application/json' });
    expect(JSON.parse(done.result.answer)).toMatchObject({ 'x-mine': 'yes', 'content-length': '3' });
    expect(expectStatus(await get(`/tasks/${done.id}/host-calls`, user.token), 200).body.items).toMatchObject([
      { method: 'http.fetch' },
    ]);
    expect((await run({ url: 'http://elsewhere.example.com/' })).result).toMatchObject({
      failed: expect.stringContaining('Error'),
    });
  });

  it('are out of reach of a component that the check refuses, which says what to do', async () => {
    const importing = (name: string) => componentAgent({ imports: `(import "${name}" (instance))` });
    const refusalOf = async (wasm: Uint8Array) =>
      expectStatus(await uploadAgent(server.url, owner.token, 'wrong', wasm), 422).body;
    expect(await refusalOf(importing('wasi:sockets/tcp@0.2.0'))).toMatchObject({
      code: 'UNKNOWN_IMPORT',
      detail: expect.stringContaining('no sockets'),
      validation: { is_valid: false, form: 'component' },
    });
    expect(await refusalOf(memoryBomb())).toMatchObject({ code: 'TOO_MANY_MEMORIES' });
    expectStatus(await get('/agents/wrong', owner.token), 404);
  });

  it('widen only when the owner says so', async () => {
    const form = { capabilities: ['growing'], version: '1.0.0' };
    await publish(server.url, owner.token, 'growing', await good(), form);
    const wider = { version: '1.1.0', permissions: '{"kv":{}}' };
    const uploaded = expectStatus(
      await uploadAgent(server.url, owner.token, 'growing', await caller(), wider),
      201,
    ).body;
    expect(uploaded).toMatchObject({ active: false, permissions: { kv: {} } });
    expect(uploaded.message).toContain('it may ask more of the host than the active version');
    expectStatus(await post('/agents/growing/versions/1.1.0/activate', undefined, owner.token), 200);
    const same = { version: '1.2.0', permissions: '{"kv":{}}' };
    expect(
      expectStatus(await uploadAgent(server.url, owner.token, 'growing', await caller(2), same), 201).body.active,
    ).toBe(true);
  });

  it('are allowed by the task: without that, agents that need them do not bid, and the scoreboard says so', async () => {
    const task = { required_capabilities: ['stateful'], budget: 1, input: callOf('kv.get', { key: 'a' }) };
    const simulated = expectStatus(await post('/auctions/simulate', task, user.token), 200).body;
    expect(simulated.excluded).toMatchObject([{ agent_id: stateful, reason: 'not_allowed' }]);
    expect(simulated.excluded[0].detail).toContain('kv');
    const id = expectStatus(await post('/tasks', task, user.token), 202).body.id;
    const failed = await waitForTask(server.url, user.token, id, 'failed');
    expect(failed.error.code).toBe('PERMISSIONS_NEEDED');
    expectStatus(await post('/tasks', { ...task, allow: { files: true } }, user.token), 400);
    expectStatus(await post('/tasks', { ...task, max_host_cost: -1 }, user.token), 400);
  });

  it('keep state between tasks, with revisions, which the owner reads and deletes', async () => {
    expect(await call('kv.get', { key: 'user/1' })).toEqual({ value: null, revision: 0 });
    expect(await call('kv.put', { key: 'user/1', value: { n: 1 }, if_revision: 0 })).toEqual({ revision: 1 });
    expect(await call('kv.put', { key: 'user/1', value: { n: 9 }, if_revision: 0 })).toMatchObject({
      error: { code: 'REVISION_CONFLICT' },
    });
    expect(await call('kv.put', { key: 'user/1', value: { n: 2 }, if_revision: 1 })).toEqual({ revision: 2 });
    expect(await call('kv.get', { key: 'user/1' })).toEqual({ value: { n: 2 }, revision: 2 });
    await call('kv.put', { key: 'brief', value: 1, ttl_s: 0.001 });
    expect(await call('kv.list', { prefix: 'user/' })).toEqual({
      items: [{ key: 'user/1', revision: 2 }],
      next_cursor: null,
    });
    expect(await call('kv.get', { key: 'brief' })).toEqual({ value: null, revision: 0 });

    const page = expectStatus(await get(`/agents/${stateful}/kv`, owner.token), 200).body;
    expect(page.items).toMatchObject([{ key: 'user/1', revision: 2 }]);
    const path = `/agents/${stateful}/kv/${encodeURIComponent('user/1')}`;
    expect(expectStatus(await get(path, owner.token), 200).body).toMatchObject({ value: { n: 2 }, expires_at: null });
    for (const token of [user.token]) {
      expectStatus(await get(`/agents/${stateful}/kv`, token), 404);
      expectStatus(await get(path, token), 404);
      expectStatus(await api(server.url).delete(path, { token }), 404);
    }
    expectStatus(await api(server.url).delete(path, { token: owner.token }), 204);
    expect(await call('kv.get', { key: 'user/1' })).toEqual({ value: null, revision: 0 });
  });

  it('bound the state of an agent, and forget what has expired first', async () => {
    await call('kv.put', { key: 'x', value: 1, ttl_s: 0.001 });
    for (const key of ['a', 'b', 'c'])
      expect(await call('kv.put', { key, value: 1 })).toEqual({ revision: expect.any(Number) });
    expect(await call('kv.put', { key: 'd', value: 1 })).toMatchObject({ error: { code: 'STATE_FULL' } });
    expect(await call('kv.put', { key: 'a', value: 2 })).toEqual({ revision: expect.any(Number) });
    await call('kv.delete', { key: 'a' });
    expect(await call('kv.put', { key: 'd', value: 1 })).toEqual({ revision: expect.any(Number) });
    expect(expectStatus(await get(`/agents/${stateful}/kv`, owner.token), 200).body).toMatchObject({ entries: 3 });
  });

  it.each([
    ['kv.get', {}, 'INVALID_REQUEST'],
    ['kv.get', { key: '' }, 'INVALID_REQUEST'],
    ['kv.get', { key: 'a\u0000b' }, 'INVALID_REQUEST'],
    ['kv.put', { key: 'a' }, 'INVALID_REQUEST'],
    ['kv.put', { key: 'a', value: 'x\u0000' }, 'INVALID_REQUEST'],
    ['kv.put', { key: 'a', value: 'x'.repeat(300_000) }, 'VALUE_TOO_LARGE'],
    ['kv.list', { limit: 0 }, 'INVALID_REQUEST'],
    ['kv.gett', {}, 'NOT_PERMITTED'],
    ['http.fetch', {}, 'NOT_PERMITTED'],
    ['output.emit', {}, 'NOT_PERMITTED'],
  ])('answer a bad request with an error that the agent reads: %s %#', async (method, request, code) => {
    expect(await call(method, request)).toEqual({ error: { code, message: expect.any(String) } });
  });

  it('are recorded for the submitter, without requests and answers, and hidden from the owner', async () => {
    const task = await run('stateful', callOf('kv.get', { key: 'canary' }));
    const { items } = expectStatus(await get(`/tasks/${task.id}/host-calls`, user.token), 200).body;
    expect(items).toEqual([
      {
        attempt: 1,
        n: 0,
        agent_id: stateful,
        method: 'kv.get',
        target: null,
        outcome: 'OK',
        cost: 0,
        request_bytes: 16,
        answer_bytes: 27,
        duration_ms: expect.any(Number),
        at: expect.any(String),
      },
    ]);
    const mine = await eventsOf(task.id, user.token);
    expect(mine.find(({ type }) => type === 'task.host_call')?.data).toMatchObject({
      method: 'kv.get',
      outcome: 'OK',
      cost: 0,
    });
    expect(JSON.stringify(mine.filter(({ type }) => type === 'task.host_call'))).not.toContain('canary');
    const theirs = expectStatus(await get('/events?limit=100', owner.token), 200).body.items as FeedEvent[];
    expect(theirs.some(({ type }) => type === 'task.host_call' || type === 'task.output')).toBe(false);
    expectStatus(await get(`/tasks/${task.id}/host-calls`, owner.token), 404);
    expectStatus(await get(`/tasks/${task.id}/host-calls?cursor=x`, user.token), 400);
    expectStatus(await get(`/tasks/${task.id}/host-calls`, admin), 200);
  });

  it('show partial results to the submitter as they come, up to a limit', async () => {
    const task = await run('speaker', callOf('output.emit', { data: { percent: 30 } }), {});
    expect(task.result).toEqual({});
    const outputs = (await eventsOf(task.id, user.token)).filter(({ type }) => type === 'task.output');
    expect(outputs.map(({ data }) => [data.n, data.data, data.final])).toEqual(
      [0, 1, 2].map((n) => [n, { percent: 30 }, false]),
    );
    const full = await run('speaker', callOf('output.emit', { data: 'x'.repeat(600) }), {});
    expect(full.result).toMatchObject({ error: { code: 'OUTPUT_FULL' } });
  });

  it('end at the limit of an attempt, and cost the server no more than that', async () => {
    const task = await run('bomb', callOf('kv.get', { key: 'a' }));
    expect(task.result).toMatchObject({ error: { code: 'TOO_MANY_CALLS' } });
    const { items, next_cursor } = (await get(`/tasks/${task.id}/host-calls?limit=15`, user.token)).body;
    expect([items.length, next_cursor]).toEqual([15, '1.14']);
    const rest = (await get(`/tasks/${task.id}/host-calls?limit=15&cursor=${next_cursor}`, user.token)).body;
    expect([rest.items.length, rest.next_cursor]).toEqual([5, null]);
  });

  it('reserve what the task pays for them at most, and release what they did not cost', async () => {
    const rich = await registerUser(server.url);
    const task = {
      required_capabilities: ['stateful'],
      budget: 60,
      allow: { kv: true },
      input: callOf('kv.get', { key: 'a' }),
    };
    expect(expectStatus(await post('/tasks', { ...task, max_host_cost: 41 }, rich.token), 402).body.required).toBe(101);
    const { id } = expectStatus(await post('/tasks', { ...task, max_host_cost: 40 }, rich.token), 202).body;
    const done = await waitForTask(server.url, rich.token, id, 'completed');
    expect(done).toMatchObject({ allow: { kv: true }, max_host_cost: 40, host_cost: 0 });
    const balance = (await get('/ledger/balance', rich.token)).body;
    expect(balance).toMatchObject({ held: 0, available: 100 - done.cost });
    const report = await verifyLedger(<R>(text: string) => ask(database.url, text) as Promise<R[]>);
    expect(report.findings).toEqual([]);
  });

  it('reach the hosts that the version names, with secrets that the agent never sees', async () => {
    const canary = 'canary-secret-9d2f';
    const secret = { value: canary, host: 'service.example.com' };
    const path = '/agents/fetcher/secrets/TOKEN';
    expectStatus(await api(server.url).put(path, secret, { token: user.token }), 404);
    expectStatus(await api(server.url).put(path, secret, { token: owner.token }), 200);
    const headers = { authorization: 'Bearer {{secret:TOKEN}}' };
    const task = await run('fetcher', callOf('http.fetch', { url: 'http://service.example.com/who', headers }), {
      http: true,
    });
    expect(asked).toContain(`/who Bearer ${canary}`);
    expect(task.result).toMatchObject({ status: 200, body: expect.stringContaining('Bearer [secret:TOKEN]') });
    const { items } = (await get(`/tasks/${task.id}/host-calls`, user.token)).body;
    expect(items).toMatchObject([{ method: 'http.fetch', target: 'service.example.com', outcome: 'OK' }]);
    const seen = [
      task,
      items,
      await eventsOf(task.id, user.token),
      (await get('/agents/fetcher/secrets', owner.token)).body,
    ];
    expect(JSON.stringify(seen)).not.toContain(canary);
  });

  it.each([
    [{ url: 'http://other.example.com/' }, 'HOST_NOT_ALLOWED'],
    [{ url: 'http://127.0.0.1/' }, 'ADDRESS_NOT_PUBLIC'],
    [{ url: 'http://service.example.com/', method: 'POST', body: 'x' }, 'METHOD_NOT_ALLOWED'],
  ])('do not reach others: %j', async (request, code) => {
    const task = await run('fetcher', callOf('http.fetch', request), { http: true });
    expect(task.result).toMatchObject({ error: { code } });
  });

  const chat = callOf('llm.chat', { model: 'small', messages: [{ role: 'user', content: 'hello' }] });
  /** 1,000 tokens at 1.5 and 100 at 6 credits a million. */
  const COST = 0.0021;

  it('cost what the model reports, at the price list of the operator', async () => {
    const before = (await get('/ledger/balance', user.token)).body.available as number;
    const task = await run('writer', chat, { llm: true }, { max_host_cost: 1 });
    expect(task).toMatchObject({ status: 'completed', result: { content: 'hi' }, host_cost: COST });
    expect(JSON.stringify(task)).not.toContain('key-of-the-operator');
    const after = (await get('/ledger/balance', user.token)).body;
    expect(after).toMatchObject({ held: 0, available: expect.closeTo(before - task.cost - COST, 6) });
    const kinds = (await get(`/ledger/transfers?task_id=${task.id}`, user.token)).body.items;
    expect(kinds).toContainEqual(expect.objectContaining({ kind: 'host_calls', amount: COST }));
    const statement = (await get(`/ledger/statement?month=${new Date().toISOString().slice(0, 7)}`, user.token)).body;
    expect(statement.items).toContainEqual(
      expect.objectContaining({ task_id: task.id, side: 'bought', kind: 'host_calls', amount: -COST }),
    );
  });

  it('are refused beyond what the task pays for them, before anybody is asked', async () => {
    const calls = asked.length;
    const task = await run('writer', chat, { llm: true }, { max_host_cost: 0.001 });
    expect(task).toMatchObject({ result: { error: { code: 'HOST_COST_EXCEEDED' } }, host_cost: 0 });
    expect(asked.length).toBe(calls);
  });

  it('are paid by a task that fails, too, because the market has paid for them', async () => {
    const before = (await get('/ledger/balance', user.token)).body.available as number;
    const task = await run('burner', chat, { llm: true }, { max_host_cost: 1, status: 'failed' });
    expect(task).toMatchObject({ cost: null, host_cost: COST });
    expect((await get('/ledger/balance', user.token)).body).toMatchObject({
      held: 0,
      available: expect.closeTo(before - COST, 6),
    });
    const report = await verifyLedger(<R>(text: string) => ask(database.url, text) as Promise<R[]>);
    expect(report.findings).toEqual([]);
  });

  const get = (path: string, token: string) => api(server.url).get(path, { token });
  const post = (path: string, body: unknown, token: string) => api(server.url).post(path, body, { token });

  async function run(
    capability: string,
    input: unknown,
    allow: object = { kv: true },
    { max_host_cost = 0, status = 'completed' } = {},
  ) {
    const task = { required_capabilities: [capability], budget: 1, input, allow, max_host_cost };
    const { id } = expectStatus(await post('/tasks', task, user.token), 202).body;
    return waitForTask(server.url, user.token, id, status);
  }

  /** The answer that the stateful agent gets. */
  const call = async (method: string, request: unknown) => (await run('stateful', callOf(method, request))).result;

  const eventsOf = async (id: string, token: string) =>
    expectStatus(await get(`/tasks/${id}/events?limit=100`, token), 200).body.items as FeedEvent[];
});
