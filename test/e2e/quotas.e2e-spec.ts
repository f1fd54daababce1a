import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as openRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { api, expectStatus, login, loginAdmin, registerUser, uploadAgent, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { operationsUrl, samples, scrape } from '../support/metrics.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { chatty, good, publish, submit as submitTask } from './agents.js';
import { padded } from './padding.js';
import { ask } from './rows.js';

/** No worker: tasks wait. */
describe('the quota of a user', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let token: string;
  let wasm: Uint8Array;

  beforeAll(async () => {
    wasm = padded(await good(), 30_000);
    database = await createTestDatabase();
    const env = {
      DATABASE_URL: database.url,
      MAX_AGENTS_PER_USER: '3',
      MAX_NEW_CAPABILITIES_PER_DAY: '4',
      MAX_STORED_BYTES_PER_USER: String(wasm.length * 2 + 1),
      MAX_WAITING_PER_USER: '5',
    };
    server = await startServer({ env, roles: ['api'] });
  });

  beforeEach(async () => {
    token = (await registerUser(server.url)).token;
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  const create = (slug: string) =>
    api(server.url).post('/agents', { slug, name: slug, capabilities: ['any'], price: '0.10' }, { token });
  const upload = (slug: string, version: string) =>
    uploadAgent(server.url, token, slug, wasm, { version, capabilities: ['any'] });
  const submit = (of = token, headers = {}) =>
    api(server.url).post('/tasks', { required_capabilities: ['any'], input: {}, budget: 1 }, { token: of, headers });

  const codes = (answers: { status: number; body: { code?: string } }[], status: number): string[] =>
    answers.filter((answer) => answer.status !== status).map(({ body }) => body.code ?? '');

  it('lets in so many agents, however many are asked for at once, and another when one is retired', async () => {
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((number) => create(`agent-${number}`)));
    expect(codes(answers, 201)).toEqual(['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED', 'QUOTA_EXCEEDED']);
    const kept = answers.find(({ status }) => status === 201)!.body;
    expectStatus(await create('one-more'), 403);
    expectStatus(await api(server.url).delete(`/agents/${kept.id}`, { token }), 204);
    expectStatus(await create('one-more'), 201);
  });

  it('lets add so many capabilities in a day, and count none that another agent of the owner offers', async () => {
    const offer = (slug: string, ...capabilities: string[]) =>
      api(server.url).post('/agents', { slug, name: slug, capabilities, price: '0.10' }, { token });
    const { id } = expectStatus(await offer('first', 'a', 'b', 'c'), 201).body;
    const refused = expectStatus(await offer('second', 'a', 'd', 'e'), 429);
    expect(refused.body.code).toBe('TOO_MANY_CAPABILITIES');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3600);
    // The refused ones do not count, nor do those that are offered already.
    expectStatus(await offer('second', 'a', 'b', 'd'), 201);
    const change = (...capabilities: string[]) => api(server.url).patch(`/agents/${id}`, { capabilities }, { token });
    expectStatus(await change('c', 'd'), 200);
    expectStatus(await change('f'), 429);
    expect((await api(server.url).get(`/agents/${id}`, { token })).body.capabilities).toEqual(['c', 'd']);
    const upload = await uploadAgent(server.url, token, 'third', wasm, { capabilities: ['g'] });
    expect(upload.body.code).toBe('TOO_MANY_CAPABILITIES');
  });

  it('lets in so many bytes of versions, of whichever agents', async () => {
    const slugs = ['first', 'second', 'third'];
    const answers = await Promise.all(slugs.map((slug) => upload(slug, '1.0.0')));
    expect(codes(answers, 201)).toEqual(['QUOTA_EXCEEDED']);
    const [kept] = slugs.filter((_, index) => answers[index].status === 201);
    expect((await upload(kept, '1.0.0')).status).toBe(200);
    expect((await upload(kept, '1.0.1')).body.code).toBe('QUOTA_EXCEEDED');
    const { items } = expectStatus(await api(server.url).get('/agents?mine=true', { token }), 200).body;
    expect(items.length).toBe(2);
    const versions = await Promise.all(
      items.map(
        async ({ id }: { id: string }) => (await api(server.url).get(`/agents/${id}/versions`, { token })).body,
      ),
    );
    expect(versions.flatMap((page) => page.items).length).toBe(2);
  });

  it('lets announce no more bytes of deposits than it has room for', async () => {
    const announce = () => api(server.url).post('/deposits', { size: wasm.length, sha256: '0'.repeat(64) }, { token });
    expectStatus(await announce(), 201);
    expectStatus(await announce(), 201);
    const { body, headers } = expectStatus(await announce(), 429);
    expect(body.code).toBe('RATE_LIMITED');
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('puts nothing into the store that is refused for want of room, or for its terms', async () => {
    const stored = async () => ask(database.url, 'SELECT ref FROM blobs ORDER BY ref');
    const codeOf = async (answer: Promise<{ body: { code?: string } }>) => (await answer).body.code;
    const other = padded(Buffer.from(wasm), 1);
    const bring = () => api(server.url).post('/tasks/inputs', { much: ' '.repeat(wasm.length) }, { token });
    const announce = (size: number) => api(server.url).post('/deposits', { size, sha256: '0'.repeat(64) }, { token });
    for (const slug of ['first', 'second']) expectStatus(await upload(slug, '1.0.0'), 201);
    const before = await stored();
    expect(await codeOf(uploadAgent(server.url, token, 'first', other, { version: '1.0.1' }))).toBe('QUOTA_EXCEEDED');
    expect(await codeOf(bring())).toBe('QUOTA_EXCEEDED');
    expect(await stored()).toEqual(before);
    expect(await codeOf(announce(2))).toBe('QUOTA_EXCEEDED');
    expectStatus(await announce(1), 201);

    token = (await registerUser(server.url)).token;
    expectStatus(await uploadAgent(server.url, token, 'first', other, { capabilities: ['any'], surge: 2 }), 400);
    for (const number of [1, 2, 3]) expectStatus(await create(`agent-${number}`), 201);
    expect(await codeOf(uploadAgent(server.url, token, 'fourth', other, { capabilities: ['any'] }))).toBe(
      'QUOTA_EXCEEDED',
    );
    expect(await stored()).toEqual(before);
  });

  it('counts rows of tasks with their inputs, and refuses before anything is written what does not fit', async () => {
    const task = { required_capabilities: ['any'], input: 'x'.repeat(wasm.length), budget: 1 };
    const submitLarge = (headers = {}) => api(server.url).post('/tasks', task, { token, headers });
    const { id } = expectStatus(await submitLarge({ 'idempotency-key': 'first' }), 202).body;
    const answers = [
      await submitLarge(),
      await api(server.url).post('/tasks/batch', { tasks: [task, task] }, { token }),
      await upload('first', '1.0.0'),
      await api(server.url).post('/tasks/inputs', 'x'.repeat(wasm.length), { token }),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(answers.map(() => [403, 'QUOTA_EXCEEDED']));
    // What was stored before is answered again.
    expect(expectStatus(await submitLarge({ 'idempotency-key': 'first' }), 202).body.id).toBe(id);
    expect((await api(server.url).get('/tasks', { token })).body.items).toHaveLength(1);
  });

  it('is asked before a body is read: a second one that does not fit is refused while the first arrives', async () => {
    const path = `${server.url}/api/v1/tasks/inputs`;
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', expect: '100-continue' };
    const open = async (length: number) => {
      const request = openRequest(path, { method: 'POST', headers: { ...headers, 'content-length': length } });
      request.flushHeaders();
      const ended = once(request, 'response').then(([response]) => ({ status: response.statusCode, response }));
      return {
        request,
        answer: await Promise.race([ended, once(request, 'continue').then(() => ({ status: 100 }))]),
        ended,
      };
    };
    const first = await open(wasm.length);
    const second = await open(wasm.length);
    const beyond = await open(wasm.length);
    const refused = await open(wasm.length);
    const statuses = [first, second, beyond, refused].map(({ answer }) => answer.status);
    // One body at a time may be larger than what is left: the account may have its bytes already.
    expect(statuses).toEqual([100, 100, 100, 403]);
    for (const { request } of [first, second, beyond, refused]) request.on('error', () => undefined).destroy();
    await until('what was set aside is free again', async () => {
      const { request, answer } = await open(2 * wasm.length);
      const again = await open(2 * wasm.length);
      for (const one of [request, again.request]) one.on('error', () => undefined).destroy();
      return answer.status === 100 && again.answer.status === 100;
    });
  });

  it('lets in so many waiting tasks, alone and in batches, and again when some have ended', async () => {
    const answers = await Promise.all(Array.from({ length: 9 }, () => submit()));
    expect(codes(answers, 202)).toEqual(Array.from({ length: 4 }, () => 'QUOTA_EXCEEDED'));
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.headers.get('retry-after')).toBe('1');

    const other = (await registerUser(server.url)).token;
    const batch = {
      tasks: Array.from({ length: 6 }, () => ({ required_capabilities: ['any'], input: {}, budget: 1 })),
    };
    expectStatus(await api(server.url).post('/tasks/batch', batch, { token: other }), 429);
    expect((await api(server.url).get('/tasks', { token: other })).body.items).toEqual([]);
    expectStatus(await submit(other), 202);

    const accepted = answers.find(({ status }) => status === 202)!.body;
    expectStatus(await api(server.url).post(`/tasks/${accepted.id}/cancel`, undefined, { token }), 200);
    await until('there is room again', async () => (await submit()).status === 202);
  });

  it('answers the same task to a repeated submission when as many wait as may', async () => {
    const { id } = expectStatus(await submit(token, { 'idempotency-key': 'once' }), 202).body;
    for (const other of await Promise.all([1, 2, 3, 4].map(() => submit()))) expectStatus(other, 202);
    expect((await submit()).body.code).toBe('QUOTA_EXCEEDED');
    expect(expectStatus(await submit(token, { 'idempotency-key': 'once' }), 202).body.id).toBe(id);
  });
});

describe('the quotas of a new account', () => {
  let database: TestDatabase;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    const env = {
      DATABASE_URL: database.url,
      YOUNG_ACCOUNT_HOURS: '24',
      YOUNG_ACCOUNT_QUOTA_FACTOR: '0.2',
      MAX_AGENTS_PER_USER: '10',
      MAX_WAITING_PER_USER: '10',
      MAX_STORED_BYTES_PER_USER: '100000',
    };
    server = await startServer({ env, roles: ['api'] });
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  it('are a share of those of others, unless an admin opened it', async () => {
    const admin = await loginAdmin(server.url);
    const opened = { email: 'opened@example.test', password: 'a password for tests' };
    expectStatus(await api(server.url).post('/users', opened, { token: admin }), 201);
    const [young, trusted] = [(await registerUser(server.url)).token, await login(server.url, opened)];
    const task = { required_capabilities: ['any'], input: {}, budget: 1 };
    const agent = (slug: string) => ({ slug, name: slug, capabilities: ['any'], price: 0.1 });
    const third = async (token: string) => {
      for (const slug of ['one', 'two'])
        expectStatus(await api(server.url).post('/agents', agent(slug), { token }), 201);
      for (let count = 0; count < 2; count++) expectStatus(await api(server.url).post('/tasks', task, { token }), 202);
      const answers = [
        await api(server.url).post('/agents', agent('three'), { token }),
        await api(server.url).post('/tasks', task, { token }),
        await api(server.url).post('/tasks/inputs', { much: 'x'.repeat(30_000) }, { token }),
      ];
      return answers.map(({ status, body }) => [status, body.code]);
    };
    expect(await third(young)).toEqual([
      [403, 'QUOTA_EXCEEDED'],
      [429, 'QUOTA_EXCEEDED'],
      [403, 'QUOTA_EXCEEDED'],
    ]);
    expect(await third(trusted)).toEqual([
      [201, undefined],
      [202, undefined],
      [201, undefined],
    ]);
  });
});

describe('a disk that is short of space', () => {
  let database: TestDatabase;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    // More than any disk has.
    const env = { DATABASE_URL: database.url, MIN_FREE_DISK_BYTES: String(2 ** 52), METRICS_PORT: '0' };
    server = await startServer({ env });
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  it('takes nothing that would be stored, and serves everything else', async () => {
    const token = await loginAdmin(server.url);
    const task = { required_capabilities: ['any'], input: {}, budget: 1 };
    const agent = { slug: 'full', name: 'full', capabilities: ['any'], price: '0.10' };
    const wasm = await good();
    const sha256 = createHash('sha256').update(wasm).digest('hex');
    const answers = [
      await api(server.url).post('/tasks', task, { token }),
      await api(server.url).post('/tasks/batch', { tasks: [task] }, { token }),
      await api(server.url).post('/tasks/inputs', {}, { token }),
      await api(server.url).post('/agents', agent, { token }),
      await api(server.url).post('/deposits', { size: wasm.length, sha256 }, { token }),
      await api(server.url).post('/auth/register', { email: 'late@example.test', password: 'a password for tests' }),
      await uploadAgent(server.url, token, 'full', wasm, { version: '1.0.0', capabilities: ['any'] }),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(answers.map(() => [507, 'DISK_FULL']));
    for (const table of ['tasks', 'task_documents', 'agents', 'blobs']) {
      expect(await ask(database.url, `SELECT FROM ${table}`)).toEqual([]);
    }
    expectStatus(await api(server.url).get('/tasks', { token }), 200);
    const ready = await fetch(`${server.url}/health/ready`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({
      dependencies: {
        disk: { status: 'down', required: false, reason: expect.stringContaining('MIN_FREE_DISK_BYTES') },
      },
    });
    const figures = await scrape(await operationsUrl(server));
    expect(samples(figures, 'zerostate_dependency_up', 'dependency="disk"')).toEqual([0]);
    expect(samples(figures, 'zerostate_disk_reserved_bytes')).toEqual([2 ** 52]);
    expect(samples(figures, 'zerostate_disk_free_bytes')).toEqual([expect.any(Number)]);
  });
});

describe('the limit of running tasks of a user', () => {
  let database: TestDatabase;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    const env = { DATABASE_URL: database.url, MAX_RUNNING_PER_USER: '2', WORKER_CONCURRENCY: '8', SANDBOX_SLOTS: '2' };
    server = await startServer({ env });
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  it('is never passed, and leaves room for somebody else', async () => {
    const many = await registerUser(server.url);
    const { id } = (await api(server.url).get('/auth/me', { token: many.token })).body;
    await publish(server.url, many.token, 'chatty', await chatty(5), { capabilities: ['chatty'] });
    const ids = await Promise.all(Array.from({ length: 8 }, () => submitTask(server.url, many.token, 'chatty')));
    const other = (await registerUser(server.url)).token;
    const last = await submitTask(server.url, other, 'chatty');
    let most = 0;
    const sample = async (): Promise<boolean> => {
      const [row] = await ask<{ held: number; ended: number }>(
        database.url,
        `SELECT count(*) FILTER (WHERE status IN ('assigned', 'running'))::int AS held,
                count(*) FILTER (WHERE status = 'completed')::int AS ended
           FROM tasks WHERE user_id = $1`,
        [id],
      );
      most = Math.max(most, row.held);
      return row.ended === ids.length;
    };
    await until('all of them have ended', sample, 30_000, 25);
    expect(most).toBe(2);
    await waitForTask(server.url, other, last, 'completed');
    const [{ later }] = await ask<{ later: number }>(
      database.url,
      `SELECT count(*)::int AS later FROM tasks
        WHERE user_id = $1 AND completed_at > (SELECT completed_at FROM tasks WHERE id = $2)`,
      [id, last],
    );
    expect(later).toBeGreaterThan(0);

    // Each task with its input, its result in row and event, and five log lines.
    const [{ bytes }] = await ask<{ bytes: number }>(
      database.url,
      'SELECT DISTINCT row_bytes AS bytes FROM tasks WHERE user_id = $1',
      [id],
    );
    expect(bytes).toBe(4096 + '{}'.length + 2 * '{"ok":true}'.length + 5 * 'step'.length);
  });
});
