import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { api, expectStatus, login, loginAdmin, registerUser, uploadAgent } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
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
    wasm = await good();
    database = await createTestDatabase();
    const env = {
      DATABASE_URL: database.url,
      MAX_AGENTS_PER_USER: '3',
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
    api(server.url).post('/agents', { slug, name: slug, capabilities: ['any'], price: 0.1 }, { token });
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
      MAX_STORED_BYTES_PER_USER: '1000',
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
        await api(server.url).post('/tasks/inputs', { much: 'x'.repeat(300) }, { token }),
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
    let endedBefore = -1;
    await until('all of them have ended', async () => {
      const [row] = await ask<{ held: number; ended: number }>(
        database.url,
        `SELECT count(*) FILTER (WHERE status IN ('assigned', 'running'))::int AS held,
                count(*) FILTER (WHERE status = 'completed')::int AS ended
           FROM tasks WHERE user_id = $1`,
        [id],
      );
      most = Math.max(most, row.held);
      const { status } = (await api(server.url).get(`/tasks/${last}`, { token: other })).body;
      if (status === 'completed' && endedBefore < 0) endedBefore = row.ended;
      return row.ended === ids.length && endedBefore >= 0;
    });
    expect(most).toBe(2);
    expect(endedBefore).toBeLessThan(ids.length);
  });
});
