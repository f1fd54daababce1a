import { createHash } from 'node:crypto';
import { mkdtemp, chmod, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request as openRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { text as readText } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import pg from 'pg';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { agent, chatty, good, history, publish, relay, submit, trapping } from './agents.js';
import { ask } from './rows.js';

const MB = 1024 * 1024;
const MAX_BYTES = 12 * MB;
const QUOTA = 60 * MB;

/** Inputs and results that are too large for a task's row. */
describe('a large document', () => {
  let database: TestDatabase;
  let dataDir: string;
  let server: ServerProcess;
  let token: string;
  let relayId: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-documents-'));
    await chmod(dataDir, 0o711);
    server = await start();
    token = (await registerUser(server.url)).token;
    relayId = await publish(server.url, token, 'relay', await relay(), { capabilities: ['relay'], price: '0.1' });
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const start = (env: Record<string, string> = {}): Promise<ServerProcess> =>
    startServer({
      env: {
        DATABASE_URL: database.url,
        DATA_DIR: dataDir,
        MAX_INPUT_BLOB_BYTES: String(MAX_BYTES),
        MAX_OUTPUT_BLOB_BYTES: String(MAX_BYTES),
        MAX_STORED_BYTES_PER_USER: String(QUOTA),
        RETENTION_INTERVAL_MS: '200',
        CLEANUP_INTERVAL_MS: '200',
        ...env,
      },
    });

  async function bring(body: string | Uint8Array, headers: Record<string, string> = {}, of = token) {
    const response = await fetch(`${server.url}/api/v1/tasks/inputs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${of}`, 'content-type': 'application/json', ...headers },
      body,
    });
    return { status: response.status, headers: response.headers, body: (await response.json()) as any };
  }

  const read = (path: string, headers: Record<string, string> = {}, redirect: RequestInit['redirect'] = 'follow') =>
    fetch(`${server.url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}`, ...headers }, redirect });
  const post = (path: string, body: object, headers?: Record<string, string>, of = token) =>
    api(server.url).post(path, body, { token: of, headers });
  const send = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/api/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      body,
    });
  const submission = (fields: object) => ({ required_capabilities: ['relay'], budget: 100, ...fields });
  const done = async (fields: object, status = 'completed') =>
    waitForTask(
      server.url,
      token,
      await submit(server.url, token, 'relay', { budget: 100, input: undefined, ...fields }),
      status,
    );
  const fileOf = (sha256: string): string => join(dataDir, 'blobs', 'sha256', sha256.slice(0, 2), sha256);

  it('and every small one passes through byte for byte: input, result, events, on every transport', async () => {
    const before = await ask<{ seq: string }>(database.url, 'SELECT coalesce(max(seq), 0) AS seq FROM task_events');
    const frames: string[] = [];
    const socket = io(server.url, { auth: { token, after_seq: Number(before[0].seq) }, transports: ['websocket'] });
    socket.io.engine.on('packet', ({ data }) => frames.push(String(data)));
    try {
      const document = '{ "n":9007199254740993,\n"z" : [1.0,-0,1E400], "n":"\\u00e9\\u0000" }';
      const single = `{"required_capabilities":["relay"],"budget":100,"input": ${document} }`;
      const key = { 'idempotency-key': 'exact', prefer: 'wait=20' };
      const text = await (await send('/tasks', single, key)).text();
      const embedded = `"input":${document},"input_ref":null`;
      expect(text).toContain(embedded);
      expect(text).toContain(`"result":${document},"result_ref":null`);
      const { id } = JSON.parse(text);

      const repeated = await send('/tasks', single, key);
      expect(((await repeated.json()) as { id: string }).id).toBe(id);
      const other = await send('/tasks', single.replace('993', '992'), key);
      expect([other.status, ((await other.json()) as { code: string }).code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);

      expect(await (await read(`/tasks/${id}`)).text()).toContain(embedded);
      expect(await (await read(`/tasks/${id}/result`)).text()).toContain(`"result":${document},`);
      expect(await (await read(`/tasks/${id}/input`)).text()).toBe(document);
      expect(await (await read(`/tasks/${id}/events`)).text()).toContain(`"result":${document}}`);
      const stream = await (await read(`/tasks/${id}/events`, { accept: 'text/event-stream' })).text();
      expect(stream.replaceAll('\ndata: ', '\n')).toContain(`"result":${document}}`);
      await until('the socket has it', async () => frames.some((frame) => frame.includes(`"result":${document}}`)));

      const batch = await send('/tasks/batch', `{"tasks":[${single},${single.replace('993', '995')}]}`);
      const { items } = (await batch.json()) as { items: { id: string }[] };
      await waitForTask(server.url, token, items[1].id, 'completed');
      expect(await (await read(`/tasks/${items[1].id}/input`)).text()).toBe(document.replace('993', '995'));
    } finally {
      socket.close();
    }
  });

  it('is stored beside the rows when it is the value of a result and larger than some KiB', async () => {
    const input = `[${' '.repeat(20_000)}9007199254740993]`;
    const body = `{"required_capabilities":["relay"],"budget":100,"input":${input}}`;
    const text = await (await send('/tasks', body, { prefer: 'wait=20' })).text();
    const { id, ...task } = JSON.parse(text);
    expect(task).toMatchObject({ status: 'completed', result_as: 'value', result_ref: null, result_size: null });
    expect(text).toContain(`"result":${input},`);
    expect(await (await read(`/tasks/${id}/result`)).text()).toContain(`"result":${input},`);
    const completed = (await history(server.url, token, id)).find(({ type }) => type === 'task.completed');
    expect(completed?.data).toMatchObject({ result_omitted: expect.stringContaining('GET the task') });
    expect(await ask(database.url, 'SELECT result, result_ref FROM tasks WHERE id = $1', [id])).toEqual([
      { result: null, result_ref: sha256Of(input) },
    ]);
  });

  it('is not even asked for when the head of its request is refused', async () => {
    const json = { 'content-type': 'application/json' };
    const known = { ...json, authorization: `Bearer ${token}` };
    const asked = (path: string, headers: Record<string, string>, body = '') =>
      expectation(server.url, path, headers, body);
    const size = (bytes: number) => ({ 'content-length': String(bytes) });
    expect(await asked('/tasks', { ...json, ...size(1000) })).toMatchObject({ continued: false, status: 401 });
    expect(await asked('/tasks/inputs', { ...json, ...size(1000) })).toMatchObject({ continued: false, status: 401 });
    const body = await asked('/tasks', { ...known, ...size(5 * MB) });
    expect(body).toMatchObject({ continued: false, status: 413, problem: { code: 'BODY_TOO_LARGE' } });
    expect(body.problem.detail).toMatch(/larger than 1114112 bytes.*POST \/api\/v1\/tasks\/inputs.*12582912/);
    const input = await asked('/tasks/inputs', { ...known, ...size(MAX_BYTES + 1) });
    expect(input).toMatchObject({ continued: false, status: 413, problem: { code: 'INPUT_TOO_LARGE' } });
    expect(input.problem.detail).toContain(String(MAX_BYTES));
    for (const charset of ['UTF8', 'utf-8', '"UTF-8"']) {
      const good = await asked(
        '/tasks/inputs',
        { ...known, 'content-type': `application/json;charset=${charset}`, ...size(2) },
        '[]',
      );
      expect(good).toMatchObject({ continued: true, status: 201 });
    }
  });

  describe('as an input', () => {
    const document = documentOf(3 * MB, 'input');
    let ref: string;

    it('is brought first, and then read by the agent byte for byte', async () => {
      const brought = expectStatus(await bring(document), 201);
      expect(brought.body).toEqual({
        input_ref: sha256Of(document),
        size: document.length,
        expires_at: expect.any(String),
      });
      expect(Date.parse(brought.body.expires_at) - Date.now()).toBeGreaterThan(23 * 3600_000);
      ref = brought.body.input_ref;
      const task = await done({ input_ref: ref });
      expect(task).toMatchObject({ input: null, input_ref: ref, input_size: document.length, result_ref: null });
      expect(JSON.stringify(task.result)).toBe(document);
      expect(task.attempts).toMatchObject([{ metering: { bytes_in: document.length, bytes_out: document.length } }]);

      const input = await read(`/tasks/${task.id}/input`);
      expect(input.headers.get('content-type')).toBe('application/json');
      expect(await input.text()).toBe(document);
      expect((await read(`/tasks/${task.id}/input`, {}, 'manual')).status).toBe(302);
      const part = await read(`/tasks/${task.id}/input?redirect=false`, { range: 'bytes=0-9' });
      expect([part.status, await part.text()]).toEqual([206, document.slice(0, 10)]);
    });

    it('is asked for by the same route when it is small and in the body', async () => {
      const task = await done({ input: { small: ['é'] } });
      expect(task).toMatchObject({ input_ref: null, input_size: null });
      const input = await read(`/tasks/${task.id}/input`);
      expect([input.headers.get('content-type'), await input.text()]).toEqual([
        'application/json; charset=utf-8',
        '{"small":["é"]}',
      ]);
    });

    it('costs what an agent asks by its size, in auctions that are held and in such as are not', async () => {
      const perKb = { price_per_kb: 0.001 };
      expectStatus(await api(server.url).patch(`/agents/${relayId}`, perKb, { token }), 200);
      const price = 0.1 + 0.001 * Math.ceil(document.length / 1024);
      const simulated = await until('the catalogue knows', async () => {
        const { body } = expectStatus(await post('/auctions/simulate', submission({ input_ref: ref })), 200);
        return body.bids[0].price !== 0.1 && body;
      });
      expect(simulated.bids[0].price).toBeCloseTo(price, 6);
      expect((await done({ input_ref: ref })).cost).toBeCloseTo(price, 6);
      const free = { price_per_kb: 0 };
      expectStatus(await api(server.url).patch(`/agents/${relayId}`, free, { token }), 200);
    });

    it('is read again by the next agent when one fails', async () => {
      const options = { capabilities: ['relay'], price: '0.01' };
      const trap = await publish(server.url, token, 'trap', await trapping(), options);
      const task = await until('the catalogue knows', async () => {
        const ended = await done({ input_ref: ref, weights: { price: 1 } });
        return ended.attempts.length === 2 && ended;
      });
      expect(JSON.stringify(task.result)).toBe(document);
      expectStatus(await api(server.url).delete(`/agents/${trap}`, { token }), 204);
      await until('the catalogue knows', async () => (await done({ input: 1 })).attempts.length === 1);
    });

    it('may come packed', async () => {
      const brought = expectStatus(await bring(gzipSync(document), { 'content-encoding': 'gzip' }), 201);
      expect(brought.body).toMatchObject({ input_ref: ref, size: document.length });
      const odd = await bring('garbage', { 'content-encoding': 'gzip' });
      expect([odd.status, odd.body.code]).toEqual([400, 'MALFORMED_REQUEST']);
      expect((await bring('[]', { 'content-encoding': 'rot13' })).status).toBe(415);
    });

    it('is named by batches, each task with its own', async () => {
      const other = expectStatus(await bring('[1,2,3]'), 201).body.input_ref;
      const tasks = [submission({ input_ref: ref }), submission({ input_ref: other }), submission({ input: 'none' })];
      const { items } = expectStatus(await post('/tasks/batch', { tasks }), 202).body;
      const ended = await Promise.all(
        items.map(({ id }: { id: string }) => waitForTask(server.url, token, id, 'completed')),
      );
      expect(ended.map(({ input_size }) => input_size)).toEqual([document.length, 7, null]);
      expect(ended[1].result).toEqual([1, 2, 3]);
      tasks[1] = submission({ input_ref: '0'.repeat(64) });
      const refused = await post('/tasks/batch', { tasks });
      expect(refused.status).toBe(422);
      expect(refused.body).toMatchObject({ code: 'INPUT_UNKNOWN', errors: [{ field: 'tasks.1.input_ref' }] });
    });

    it("is somebody else's when somebody else has brought it: answered like one that nobody has", async () => {
      const stranger = (await registerUser(server.url)).token;
      const answers = await Promise.all(
        [ref, '0'.repeat(64)].flatMap((input_ref) =>
          ['/tasks', '/auctions/simulate'].map((path) => post(path, submission({ input_ref }), {}, stranger)),
        ),
      );
      expect(answers.map(({ status, body }) => [status, body.code, body.detail])).toEqual(
        answers.map(() => [422, 'INPUT_UNKNOWN', expect.stringContaining('POST /tasks/inputs')]),
      );
      // It has a document of its own once it has brought the bytes, too.
      expectStatus(await bring(document, {}, stranger), 201);
      expectStatus(await post('/tasks', submission({ input_ref: ref }), {}, stranger), 202);
    });

    it('comes instead of an input in the body', async () => {
      for (const [fields, field] of [
        [{}, 'input'],
        [{ input: {}, input_ref: ref }, 'input_ref'],
      ] as const) {
        const answer = await post('/tasks', submission(fields));
        expect([answer.status, answer.body.errors]).toEqual([
          400,
          [{ field, message: expect.stringContaining('input') }],
        ]);
      }
    });

    it('is refused, and leaves nothing, when it is not one JSON document, too large, or not whole', async () => {
      const rows = () => ask(database.url, 'SELECT sha256 FROM task_documents ORDER BY sha256');
      const before = await rows();
      const faults = [
        '',
        '{',
        '[1,]',
        '1 2',
        'null',
        `${'['.repeat(201)}${']'.repeat(201)}`,
        Uint8Array.of(0x22, 0xff, 0x22),
      ];
      for (const body of faults) {
        const answer = await bring(body);
        expect([answer.status, answer.body.code]).toEqual([400, 'INPUT_INVALID']);
      }
      expect((await bring('{"a":1}}')).body.detail).toBe(
        'The input is not one JSON document: "}" is unexpected at byte 7.',
      );
      const large = documentOf(MAX_BYTES + 1, 'large');
      const tooLarge = [await bring(large), await bring(gzipSync(large), { 'content-encoding': 'gzip' })];
      expect(tooLarge.map(({ status, body }) => [status, body.code])).toEqual(
        tooLarge.map(() => [413, 'INPUT_TOO_LARGE']),
      );
      expect((await bring('[]', { 'content-type': 'text/plain' })).status).toBe(415);

      const broken = openRequest(`${server.url}/api/v1/tasks/inputs`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': '5000000' },
      });
      broken.write('["half');
      await until('it is on its way', async () => (await readdir(join(dataDir, 'blobs', 'staged'))).length > 0);
      broken.destroy();
      await once(broken, 'error');
      await until('it is gone', async () => (await readdir(join(dataDir, 'blobs', 'staged'))).length === 0);
      expect(await rows()).toEqual(before);
    });

    it('that is damaged or gone fails its task and blames no agent, until it is brought again', async () => {
      const precious = documentOf(2 * MB, 'precious');
      const { input_ref } = expectStatus(await bring(precious), 201).body;
      const failedBefore = await failures(relayId);
      const breaks: [string, () => Promise<void>][] = [
        ['INPUT_DAMAGED', () => writeFile(fileOf(input_ref), precious.replace('precious', 'previous'))],
        ['INPUT_DAMAGED', () => writeFile(fileOf(input_ref), 'short')],
        ['INPUT_GONE', () => unlink(fileOf(input_ref))],
      ];
      for (const [code, breakIt] of breaks) {
        await breakIt();
        const task = await done({ input_ref }, 'failed');
        expect(task.error).toMatchObject({ code, message: expect.stringContaining('bring it again') });
        expect(task.attempts).toMatchObject([{ outcome: 'handed_back', error: { code } }]);
        expectStatus(await bring(precious), 201);
        const retry = expectStatus(await post(`/tasks/${task.id}/retry`, {}), 202).body.id;
        expect(JSON.stringify((await waitForTask(server.url, token, retry, 'completed')).result)).toBe(precious);
      }
      expect(await failures(relayId)).toBe(failedBefore);
    });

    it('whose time is over can be named no more, but a submission repeated by its key is what it was', async () => {
      const { input_ref } = expectStatus(await bring('"passing"'), 201).body;
      const key = { 'idempotency-key': 'once' };
      const first = expectStatus(await post('/tasks', submission({ input_ref }), key), 202).body;
      await ask(database.url, `UPDATE task_documents SET expires_at = now() WHERE sha256 = $1`, [input_ref]);
      expect((await post('/tasks', submission({ input_ref }))).body.code).toBe('INPUT_UNKNOWN');
      expect(expectStatus(await post('/tasks', submission({ input_ref }), key), 202).body.id).toBe(first.id);
      expectStatus(await bring('"passing"'), 201);
      expectStatus(await post('/tasks', submission({ input_ref })), 202);
    });
  });

  describe('as a result', () => {
    const document = documentOf(8 * MB, 'result');
    let input_ref: string;

    beforeAll(async () => {
      input_ref = expectStatus(await bring(document), 201).body.input_ref;
    });

    it('is too large, where the task does not ask for it', async () => {
      const task = await done({ input_ref }, 'failed');
      expect(task.error.code).toBe('AGENT_OUTPUT_TOO_LARGE');
    });

    it('is a document of its own, where it does', async () => {
      const task = await done({ input_ref, result_as: 'ref' });
      expect(task).toMatchObject({
        result_as: 'ref',
        result: null,
        result_ref: sha256Of(document),
        result_size: document.length,
      });
      const path = `/tasks/${task.id}/result`;
      const redirect = await read(path, {}, 'manual');
      expect(redirect.status).toBe(302);
      // The address itself needs no token.
      const answer = await fetch(new URL(redirect.headers.get('location') as string, server.url));
      expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="result-${task.id}.json"`);
      expect(await answer.text()).toBe(document);

      const whole = await read(`${path}?redirect=false`);
      const etag = `"${sha256Of(document)}"`;
      expect([whole.status, whole.headers.get('etag'), sha256Of(await whole.text())]).toEqual([
        200,
        etag,
        sha256Of(document),
      ]);
      expect((await read(path, { 'if-none-match': etag })).status).toBe(304);
      const part = await read(`${path}?redirect=false`, { range: 'bytes=5-14' });
      expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
        206,
        `bytes 5-14/${document.length}`,
        document.slice(5, 15),
      ]);
      const beyond = await read(`${path}?redirect=false`, { range: `bytes=${document.length}-` });
      expect(beyond.status).toBe(416);

      const stranger = (await registerUser(server.url)).token;
      for (const what of ['result', 'input']) {
        expectStatus(await api(server.url).get(`/tasks/${task.id}/${what}`, { token: stranger }), 404);
      }
      const completed = (await history(server.url, token, task.id)).find(({ type }) => type === 'task.completed');
      expect(completed?.data).toMatchObject({ result_ref: task.result_ref, result_size: document.length });
    });

    it('is small where it is small, by reference all the same', async () => {
      const task = await done({ input: { small: true }, result_as: 'ref' });
      expect(task).toMatchObject({ result: null, result_ref: sha256Of('{"small":true}'), result_size: 14 });
      expect(await (await read(`/tasks/${task.id}/result`)).json()).toEqual({ small: true });
    });

    it('can be the input of the next task, without its bytes passing the client', async () => {
      const first = await done({ input: ['step'], result_as: 'ref' });
      const next = await done({ input_ref: first.result_ref });
      expect(next.result).toEqual(['step']);
    });

    it('has the limit that the task sets, up to that of the server, and must be JSON', async () => {
      const lower = await done({ input_ref, result_as: 'ref', limits: { output_bytes: 7 * MB } }, 'failed');
      expect(lower.error.code).toBe('AGENT_OUTPUT_TOO_LARGE');
      const limits = { output_bytes: 9 * MB };
      expect((await done({ input_ref, result_as: 'ref', limits })).result_size).toBe(document.length);
      const beyond = [
        { input: {}, result_as: 'ref', limits: { output_bytes: MAX_BYTES + 1 } },
        { input: {}, limits },
      ];
      for (const fields of beyond) expectStatus(await post('/tasks', submission(fields)), 400);
      const half = await agent('(call $write (i32.const 1) (i32.const 16) (i32.const 10))');
      await publish(server.url, token, 'half', half, { capabilities: ['half'] });
      const id = await submit(server.url, token, 'half', { result_as: 'ref' });
      expect((await waitForTask(server.url, token, id, 'failed')).error).toEqual({
        code: 'AGENT_OUTPUT_INVALID',
        message: "The agent's output is not one JSON document: not JSON: it is incomplete",
      });
    });

    it('of an agent that fails is left to the next', async () => {
      const trap = await publish(server.url, token, 'trap-again', await trapping(), {
        capabilities: ['relay'],
        price: '0.01',
      });
      const task = await until('the catalogue knows', async () => {
        const ended = await done({ input_ref, result_as: 'ref', weights: { price: 1 } });
        return ended.attempts.length === 2 && ended;
      });
      expect(task.result_ref).toBe(sha256Of(document));
      expectStatus(await api(server.url).delete(`/agents/${trap}`, { token }), 204);
    });
  });

  describe('counts for its owner:', () => {
    it('once, however often it is brought, until the quota is reached; a result beyond it fails its task alone', async () => {
      const rich = (await registerUser(server.url)).token;
      const eleven = (name: string) => documentOf(11 * MB, name);
      for (const name of ['a', 'a', 'a', 'b', 'c', 'd', 'e']) expectStatus(await bring(eleven(name), {}, rich), 201);
      const refused = await bring(eleven('f'), {}, rich);
      expect([refused.status, refused.body.code]).toEqual([403, 'QUOTA_EXCEEDED']);
      // What it has already is no more.
      expectStatus(await bring(eleven('e'), {}, rich), 201);
      const wasm = await good();
      const fits = await publish(server.url, rich, 'fits', wasm, { capabilities: ['fits'] });
      expect(fits).toEqual(expect.any(String));

      // 55 of 60 MB are taken: another 6 do not fit.
      const padded = `[${' '.repeat(6 * MB)}1]`;
      const maker = await registerUser(server.url);
      const makerId = await publish(server.url, maker.token, 'maker', await spaces(6 * MB), {
        capabilities: ['maker'],
      });
      const failedBefore = await failures(makerId, maker.token);
      const id = await submit(server.url, rich, 'maker', { result_as: 'ref' });
      const task = await waitForTask(server.url, rich, id, 'failed');
      expect(task.error.code).toBe('QUOTA_EXCEEDED');
      expect(task.attempts).toMatchObject([{ outcome: 'handed_back', error: { code: 'QUOTA_EXCEEDED' } }]);
      const allowed = await submit(server.url, maker.token, 'maker', { result_as: 'ref' });
      expect((await waitForTask(server.url, maker.token, allowed, 'completed')).result_size).toBe(padded.length);
      expect(await failures(makerId, maker.token)).toBe(failedBefore);
    });
  });

  describe('when its time is over', () => {
    const inStore = async (sha256: string): Promise<boolean> =>
      (await readdir(join(dataDir, 'blobs', 'sha256', sha256.slice(0, 2))).catch((): string[] => [])).includes(sha256);
    const age = async (): Promise<void> => {
      await ask(database.url, `UPDATE task_documents SET expires_at = expires_at - interval '3 days'`);
      await ask(database.url, `UPDATE blobs SET stored_at = stored_at - interval '3 days'`);
    };

    it('goes with the last task that refers to it, and its bytes with the last owner', async () => {
      const [unused, used, twice] = ['"unused"', '"used"', '"twice"'].map(sha256Of);
      for (const body of ['"unused"', '"used"', '"twice"']) expectStatus(await bring(body), 201);
      const other = (await registerUser(server.url)).token;
      expectStatus(await bring('"twice"', {}, other), 201);
      const task = await done({ input_ref: used, result_as: 'ref' });
      expect(task.result_ref).toBe(used);
      await ask(
        database.url,
        `UPDATE task_documents SET expires_at = now() + interval '4 days'
          FROM users WHERE user_id = users.id AND sha256 = $1
           AND user_id <> (SELECT user_id FROM tasks WHERE id = $2)`,
        [twice, task.id],
      );
      await age();
      await until('the unused one is gone', async () => !(await inStore(unused)));
      expect(await ask(database.url, `SELECT FROM task_documents WHERE sha256 = $1`, [unused])).toEqual([]);
      expect(await ask(database.url, `SELECT FROM task_documents WHERE sha256 = $1`, [twice])).toHaveLength(1);
      expect(await inStore(twice)).toBe(true);
      expect(await inStore(used)).toBe(true);
      expect(await (await read(`/tasks/${task.id}/result`)).json()).toBe('used');

      const short = String(1 / 86_400);
      const cleaner = await start({ TASK_RETENTION_DAYS: short });
      await until('the task is gone', async () => (await read(`/tasks/${task.id}`)).status === 404);
      await until('so is its document', async () => !(await inStore(used)));
      await cleaner.stop();
      expect(await ask(database.url, `SELECT FROM task_documents WHERE sha256 = $1`, [used])).toEqual([]);
    });

    it('and its settlement was lost, is swept, with its bytes', async () => {
      const result = sha256Of('{"ok":true}');
      await publish(server.url, token, 'chatty', await chatty(10), { capabilities: ['chatty'] });
      const id = await submit(server.url, token, 'chatty', { result_as: 'ref' });
      await waitForTask(server.url, token, id, 'running');
      const rival = new pg.Client(database.url);
      await rival.connect();
      try {
        await rival.query('BEGIN');
        await rival.query('SELECT FROM tasks WHERE id = $1 FOR UPDATE', [id]);
        await until('the result is stored', () => inStore(result));
        await rival.query(`UPDATE tasks SET status = 'cancelled', completed_at = now() WHERE id = $1`, [id]);
        await rival.query('COMMIT');
      } finally {
        await rival.end();
      }
      await until('the settlement has been dropped', async () => /dropped a late result/.test(server.stdout()));
      const task = await waitForTask(server.url, token, id, 'cancelled');
      expect(task.result_ref).toBeNull();
      expect(await ask(database.url, 'SELECT FROM task_documents WHERE sha256 = $1', [result])).toHaveLength(1);
      await age();
      await until('its bytes are gone', async () => !(await inStore(result)));
      expect(await ask(database.url, 'SELECT FROM task_documents WHERE sha256 = $1', [result])).toEqual([]);
    });
  });

  it('stays out of IPFS, where everybody could read it', async () => {
    await server.stop();
    server = await start({ STORAGE_DRIVER: 'ipfs' });
    const { input_ref } = expectStatus(await bring('"private"'), 201).body;
    const task = await done({ input_ref, result_as: 'ref' });
    expect(await (await read(`/tasks/${task.id}/result`)).json()).toBe('private');
    const refs = await ask(database.url, 'SELECT storage_ref FROM task_documents WHERE sha256 = $1', [input_ref]);
    expect(refs).toEqual([{ storage_ref: `local:${input_ref}` }]);
  });

  const failures = async (agentId: string, of = token): Promise<number> => {
    const { body } = expectStatus(await api(server.url).get(`/agents/${agentId}`, { token: of }), 200);
    return body.statistics.attempts_failed;
  };
});

/** JSON text of about so many bytes, of which each name makes another. */
function documentOf(bytes: number, name: string): string {
  const row = JSON.stringify({ name, text: 'x'.repeat(1000) });
  return `[${Array.from({ length: Math.ceil(bytes / (row.length + 1)) }, () => row).join(',')}]`;
}

/** Sends a head that asks whether to go on, and the body only when told to. */
async function expectation(url: string, path: string, headers: Record<string, string>, body: string) {
  const request = openRequest(`${url}/api/v1${path}`, {
    method: 'POST',
    headers: { ...headers, expect: '100-continue' },
  });
  let continued = false;
  request.once('continue', () => {
    continued = true;
    request.end(body);
  });
  request.flushHeaders();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const problem = JSON.parse(await readText(response)) as { code: string; detail: string };
  request.destroy();
  return { continued, status: response.statusCode, problem };
}

const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex');

/** An agent that answers `[1]` with so many spaces inside. */
const spaces = (count: number): Promise<Buffer> =>
  agent(
    `(local $left i32)
    (memory.fill (i32.const 2048) (i32.const 32) (i32.const 65536))
    (local.set $left (i32.const ${count / 65536}))
    (call $write (i32.const 1) (i32.const 1024) (i32.const 1))
    (loop $next
      (call $write (i32.const 1) (i32.const 2048) (i32.const 65536))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (call $write (i32.const 1) (i32.const 1025) (i32.const 2))`,
    '(data (i32.const 1024) "[1]")',
  );
