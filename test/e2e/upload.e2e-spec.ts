import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { api, expectStatus, registerUser, type Answer, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { wat } from '../support/wat.js';
import { agent, good } from './agents.js';
import { field, file, multipart, type Part } from './multipart.js';
import { padded } from './padding.js';
import { faultOf, read, type RawAnswer } from './problems.js';
import { contentOf } from './rows.js';
import { until } from '../support/until.js';

const MAX_BINARY_BYTES = 200_000;
const MAX_FORM_BYTES = 300_000;

describe('uploading a binary', () => {
  let database: TestDatabase;
  let dataDir: string;
  let server: ServerProcess;
  let user: TestUser;
  let wasm: Buffer;

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-upload-'));
    await chmod(dataDir, 0o711);
    server = await startServer({
      env: {
        DATABASE_URL: database.url,
        DATA_DIR: dataDir,
        MAX_BINARY_BYTES: String(MAX_BINARY_BYTES),
        MAX_FORM_BYTES: String(MAX_FORM_BYTES),
      },
    });
    user = await registerUser(server.url);
    wasm = await good();
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  describe('that is accepted', () => {
    it('gives the bytes back as they came, with their hash as ETag', async () => {
      const allBytes = padded(wasm, 70_000);
      const uploaded = await upload('bytes', [...card(), field('version', '2.1.0-rc.1'), file(allBytes)], 201);
      const sha256 = createHash('sha256').update(allBytes).digest('hex');
      expect(uploaded).toMatchObject({
        status: 'uploaded',
        binary_hash: sha256,
        binary_size: allBytes.length,
        version: '2.1.0-rc.1',
        validation: { is_valid: true, sha256, size: allBytes.length },
      });

      for (const path of [`${uploaded.binary_url}&`, '/api/v1/agents/bytes/binary?']) {
        const answer = await fetch(`${server.url}${path}redirect=false`, {
          headers: { authorization: `Bearer ${user.token}` },
        });
        expect(answer.status).toBe(200);
        expect(answer.headers.get('etag')).toBe(`"${sha256}"`);
        expect(answer.headers.get('content-type')).toBe('application/wasm');
        expect(Buffer.from(await answer.arrayBuffer()).equals(allBytes)).toBe(true);
      }
    });

    it('adds a version, which is the next patch unless the form names one, and the active one', async () => {
      expect((await upload('counted', [...card(), file(wasm)], 201)).version).toBe('1.0.0');
      expect((await upload('counted', [file(padded(wasm, 1))], 201)).version).toBe('1.0.1');
      expect((await upload('counted', [field('version', '2.5.0'), file(padded(wasm, 2))], 201)).version).toBe('2.5.0');
      expect((await upload('counted', [file(padded(wasm, 3))], 201)).version).toBe('2.5.1');

      const { items } = expectStatus(await get('/agents/counted/versions'), 200).body;
      expect(items.map((item: any) => [item.version, item.active])).toEqual([
        ['2.5.1', true],
        ['2.5.0', false],
        ['1.0.1', false],
        ['1.0.0', false],
      ]);
      expect(items[0].validation.exported_functions).toEqual(['_start']);
      expect((await get('/agents/counted/card')).body.version).toBe('2.5.1');
      const old = await fetch(`${server.url}/api/v1/agents/counted/binary?redirect=false&version=1.0.1`, {
        headers: { authorization: `Bearer ${user.token}` },
      });
      expect(Buffer.from(await old.arrayBuffer()).equals(padded(wasm, 1))).toBe(true);
      expect((await get('/agents/counted/binary?version=9.9.9')).status).toBe(404);
    });

    it('adds no patch to the highest number there is', async () => {
      const highest = `1.0.${Number.MAX_SAFE_INTEGER}`;
      expect((await upload('full', [...card(), field('version', highest), file(wasm)], 201)).version).toBe(highest);
      await refused('full', [file(padded(wasm, 1))], 409, 'VERSION_TAKEN');
      expect((await upload('full', [field('version', '1.1.0'), file(padded(wasm, 1))], 201)).version).toBe('1.1.0');
    });

    it('changes nothing when these bytes are this version already', async () => {
      const form = [...card(), field('version', '1.0.0'), file(wasm)];
      const first = await upload('again', form, 201);
      const before = await kept();
      const second = await upload('again', form, 200);
      expect(second).toEqual({ ...first, status: 'unchanged', message: expect.any(String) });
      expect(await kept()).toEqual(before);
    });

    it('takes the file before, between and after the other fields', async () => {
      const [name, capabilities, price] = card();
      const orders = [
        [file(wasm), name, capabilities, price],
        [name, file(wasm), capabilities, price],
        [name, capabilities, price, file(wasm)],
      ];
      for (const [index, parts] of orders.entries()) {
        await upload(`order-${index}`, parts, 201);
        expect((await get(`/agents/order-${index}`)).body).toMatchObject({ name: 'An agent', price: 0.5 });
      }
    });

    it('takes capabilities as a list with commas, a repeated field and a JSON array', async () => {
      const [name, , price] = card();
      const ways = [
        [field('capabilities', ' data-processing, machine-learning,')],
        [field('capabilities', 'data-processing'), field('capabilities', 'machine-learning')],
        [field('capabilities', '["data-processing","machine-learning"]')],
      ];
      for (const [index, capabilities] of ways.entries()) {
        await upload(`ways-${index}`, [name, ...capabilities, price, file(wasm)], 201);
        const { body } = await get(`/agents/ways-${index}`);
        expect(body.capabilities).toEqual(['data-processing', 'machine-learning']);
      }
    });

    it('changes what the form names of an agent that exists, and leaves the rest', async () => {
      const { agent_id: id } = await upload('renamed', [...card(), file(wasm)], 201);
      await upload(id, [field('name', 'Better'), field('price', '0.75'), file(padded(wasm, 4))], 201);
      expect((await get('/agents/renamed')).body).toMatchObject({
        id,
        name: 'Better',
        price: 0.75,
        capabilities: ['c'],
      });
    });

    it('whatever the case of its media type', async () => {
      const { body, contentType } = multipart([...card(), file(wasm)]);
      const answer = await post('shouted', body, contentType.replace('multipart/form-data', 'Multipart/Form-Data'));
      expect(answer.status).toBe(201);
    });

    it('of exactly the largest size', async () => {
      const largest = padded(wasm, MAX_BINARY_BYTES - padded(wasm, 100_000).length + 100_000);
      expect(largest.length).toBe(MAX_BINARY_BYTES);
      await upload('largest', [...card(), file(largest)], 201);
    });

    it('gives concurrent uploads a version each, and a new agent to one of them', async () => {
      const binaries = Array.from({ length: 5 }, (_, index) => padded(wasm, 10 + index));
      const first = await Promise.all(binaries.map((binary) => send('race', [...card(), file(binary)])));
      expect(first.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(1);
      expect(first.filter(({ status }) => status !== 201).map((answer) => faultOf(answer, [409]))).toEqual(
        first.filter(({ status }) => status !== 201).map(() => undefined),
      );
      const more = binaries.map((binary) => padded(binary, 20));
      await Promise.all(more.map((binary) => upload('race', [file(binary)], 201)));
      const { items } = (await get('/agents/race/versions')).body;
      expect(new Set(items.map((item: any) => item.version)).size).toBe(items.length);
      expect(items.filter((item: any) => item.active)).toHaveLength(1);
    });

    it('leaves nothing in the staging area', async () => {
      expect(await staged()).toEqual([]);
    });
  });

  describe('that is refused leaves no row, no file and no version:', () => {
    let agentId: string;
    let before: unknown;

    beforeAll(async () => {
      agentId = (await upload('settled', [...card(), field('version', '1.0.0'), file(wasm)], 201)).agent_id;
    });

    beforeEach(async () => {
      before = await kept();
    });

    afterEach(async () => {
      expect(await kept()).toEqual(before);
    });

    it('other bytes for a version there is', async () => {
      await refused('settled', [field('version', '1.0.0'), file(padded(wasm, 5))], 409, 'VERSION_TAKEN');
    });

    it.each<[string, string, (wasm: Buffer) => Part[]]>([
      ['a field nobody knows', 'wasm', (bytes) => [...card(), field('wasm', 'x'), file(bytes)]],
      ['a field with a hostile name', '__proto__', (bytes) => [...card(), field('__proto__', 'x'), file(bytes)]],
      ['no file', 'wasm_binary', () => card()],
      ['nothing at all', 'wasm_binary', () => []],
      ['text where the file should be', 'wasm_binary', () => [...card(), field('wasm_binary', 'text')]],
      ['two files', 'wasm_binary', (bytes) => [...card(), file(bytes), file(bytes)]],
      ['a file of another name', 'binary', (bytes) => [...card(), file(bytes, 'binary')]],
      ['another file besides', 'icon', (bytes) => [...card(), file(bytes), file(bytes, 'icon')]],
      ['a version that is none', 'version', (bytes) => [...card(), field('version', '1.0'), file(bytes)]],
      [
        'a version that nothing can follow',
        'version',
        (bytes) => [...card(), field('version', '99999999999999999999.0.0'), file(bytes)],
      ],
      ['a price that is none', 'price', (bytes) => [...card(), field('price', '-1'), file(bytes)]],
      ['limits that are no object', 'limits', (bytes) => [...card(), field('limits', '5'), file(bytes)]],
      ['limits that are no JSON', 'limits', (bytes) => [...card(), field('limits', 'memory_mb=1'), file(bytes)]],
      ['limits that name none', 'limits', (bytes) => [...card(), field('limits', '{}'), file(bytes)]],
      ['an unknown limit', 'limits.cpu', (bytes) => [...card(), field('limits', '{"cpu":1}'), file(bytes)]],
      ['a limit of nothing', 'limits.cpu_ms', (bytes) => [...card(), field('limits', '{"cpu_ms":0}'), file(bytes)]],
      [
        'a hostile limit',
        'limits.__proto__',
        (bytes) => [...card(), field('limits', '{"cpu_ms":1,"__proto__":{"x":1}}'), file(bytes)],
      ],
      [
        'a limit above the server’s',
        'limits.timeout_ms',
        (bytes) => [...card(), field('limits', '{"timeout_ms":300001}'), file(bytes)],
      ],
      ['a name twice', 'name', (bytes) => [...card(), field('name', 'Another'), file(bytes)]],
      ['a name with a NUL', 'name', (bytes) => [...card().slice(1), field('name', 'a\0b'), file(bytes)]],
      ['a value too long', 'description', (b) => [...card(), field('description', 'x'.repeat(70_000)), file(b)]],
      [
        'capabilities that are none',
        'capabilities',
        (bytes) => [field('name', 'A'), field('price', '1'), field('capabilities', '["a",{}]'), file(bytes)],
      ],
      ['a new agent without a price', 'price', (bytes) => [...card().slice(0, 2), file(bytes)]],
      [
        'too many fields',
        '',
        (bytes) => [...Array.from({ length: 100 }, (_, index) => field(`f${index}`, 'x')), file(bytes)],
      ],
    ])('%s', async (_, name, parts) => {
      const { errors } = await refused('fresh', parts(wasm), 400, 'VALIDATION_FAILED');
      expect(errors.map((error: { field: string }) => error.field)).toContain(name);
    });

    it('a slug that is none', async () => {
      await refused('Not%20a%20slug', [...card(), file(wasm)], 400, 'VALIDATION_FAILED');
    });

    it('a binary that is too large', async () => {
      const tooLarge = padded(wasm, MAX_BINARY_BYTES);
      await refused('fresh', [...card(), file(tooLarge)], 413, 'BLOB_TOO_LARGE');
      await refused('settled', [file(tooLarge)], 413, 'BLOB_TOO_LARGE');
    });

    it('a form that is too large, whether it says so or not', async () => {
      const parts = [...card(), ...Array.from({ length: 5 }, () => field('description', 'x'.repeat(60_000)))];
      await refused('fresh', [...parts, file(wasm)], 413, 'FORM_TOO_LARGE');

      const { body, contentType } = multipart([...parts, file(wasm)]);
      const answer = await post('fresh', new Blob([body]).stream(), contentType);
      expect(faultOf(answer, [413])).toBeUndefined();
      expect(JSON.parse(answer.text).code).toBe('FORM_TOO_LARGE');
    });

    it('a large form, with an answer that arrives and a connection that goes on', async () => {
      const connection = new Agent({ keepAlive: true, maxSockets: 1 });
      const large = padded(wasm, 5_000_000);
      const forms: [string | RegExp, Part[]][] = [
        // Past both limits at once: which one is met first depends on how the body is cut into chunks.
        [/^(BLOB|FORM)_TOO_LARGE$/, [...card(), file(large)]],
        ['VALIDATION_FAILED', [file(large, 'another')]],
        ['VALIDATION_FAILED', []],
        [
          'FORM_TOO_LARGE',
          [field('name', 'x'), ...Array.from({ length: 30 }, () => field('name', 'x'.repeat(60_000)))],
        ],
      ];
      for (const [code, parts] of forms) {
        expect(JSON.parse(await postChunked(connection, parts)).code).toMatch(code);
      }
      connection.destroy();
    });

    it('a form that is cut off, or has no boundary', async () => {
      const { body, contentType } = multipart([...card(), file(wasm)]);
      const bodies: [Buffer<ArrayBuffer>, string][] = [
        [body.subarray(0, -10), contentType],
        [body.subarray(0, body.length / 2), contentType],
        [body.subarray(0, 20), contentType],
        [body, 'multipart/form-data'],
        [body, 'multipart/form-data; boundary='],
        [body, 'multipart/form-data; boundary=another'],
        [Buffer.alloc(0), contentType],
      ];
      for (const [bytes, type] of bodies) {
        const answer = await post('fresh', bytes, type);
        expect([type, bytes.length, faultOf(answer, [400])]).toEqual([type, bytes.length, undefined]);
      }
    });

    it('a file in a part that belongs to no form', async () => {
      for (const size of [10_000, 20_000, 100_000, MAX_BINARY_BYTES]) {
        const { body, contentType } = multipart([...card(), file(Buffer.alloc(size))]);
        const strange = body
          .toString('latin1')
          .replace('form-data; name="wasm_binary"', 'attachment; name="wasm_binary"');
        const answer = await post('fresh', Buffer.from(strange, 'latin1'), contentType);
        expect([size, faultOf(answer, [400])]).toEqual([size, undefined]);
        expect(JSON.parse(answer.text).errors[0].field).toBe('wasm_binary');
      }
    });

    it('a client that breaks off in the middle of the file', async () => {
      const { body, contentType } = multipart([...card(), file(padded(wasm, 100_000))]);
      const { hostname, port } = new URL(server.url);
      const socket = connect(Number(port), hostname);
      socket.write(
        `POST /api/v1/agents/fresh/binary HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${user.token}\r\n` +
          `Content-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      socket.write(body.subarray(0, 80_000));
      await until('the file is being staged', async () => (await staged()).length > 0);
      socket.destroy();
      await until('the staged file is gone', async () => (await staged()).length === 0);
    });

    it.each<[string, string, () => Buffer | Promise<Buffer>]>([
      ['an empty file', 'EMPTY_FILE', () => Buffer.alloc(0)],
      ['text', 'NOT_WASM', () => Buffer.from('#!/bin/sh\nexit 0\n')],
      ['a truncated module', 'TRUNCATED_MODULE', async () => (await good()).subarray(0, -20)],
      ['an empty component', 'ENTRY_POINT_MISSING', () => Buffer.from('0061736d0d000100', 'hex')],
      ['a cut-off component', 'INVALID_COMPONENT', () => Buffer.from('0061736d0d00010001', 'hex')],
      ['another format version', 'UNSUPPORTED_WASM_VERSION', () => Buffer.from('0061736d02000000', 'hex')],
      [
        'an import the host does not provide',
        'UNKNOWN_IMPORT',
        () => wat('(module (import "env" "fetch" (func)) (memory (export "memory") 1) (func (export "_start")))'),
      ],
      [
        'an import of the system',
        'FORBIDDEN_IMPORT_MODULE',
        () => wat('(module (import "system" "run" (func)) (memory (export "memory") 1) (func (export "_start")))'),
      ],
      ['no entry point', 'ENTRY_POINT_MISSING', () => wat('(module (memory (export "memory") 1))')],
      ['no memory', 'MEMORY_MISSING', () => wat('(module (func (export "_start")))')],
      ['a function that is not valid', 'INVALID_MODULE', () => agent('(drop (i64.add (i32.const 1) (i32.const 2)))')],
    ])('%s', async (_, code, bytes) => {
      const binary = await bytes();
      for (const target of ['fresh', 'settled']) {
        const { validation, detail } = await refused(target, [...card(), file(binary)], 422, code);
        expect(validation).toMatchObject({ is_valid: false, error: { code, message: detail }, size: binary.length });
      }
      expect((await get('/agents/fresh')).status).toBe(404);
    });

    it("somebody else's agent, exactly like an agent there is not", async () => {
      const other = await registerUser(server.url);
      before = await kept();
      const theirs = await refused(agentId, [...card(), file(wasm)], 404, 'NOT_FOUND', other.token);
      const unknown = await refused(
        '01900000-0000-7000-8000-000000000000',
        [file(wasm)],
        404,
        'NOT_FOUND',
        other.token,
      );
      expect({ ...theirs, trace_id: '' }).toEqual({ ...unknown, trace_id: '' });
    });
  });

  it("under a slug that somebody else uses makes an agent of one's own", async () => {
    const other = await registerUser(server.url);
    const mine = await upload('popular', [...card(), file(wasm)], 201);
    const theirs = await upload('popular', [...card(), file(wasm)], 201, other.token);
    expect(theirs.agent_id).not.toBe(mine.agent_id);
  });

  const get = (path: string): Promise<Answer<any>> => api(server.url).get(path, { token: user.token });

  async function post(
    target: string,
    body: Buffer<ArrayBuffer> | ReadableStream,
    contentType: string,
    token = user.token,
  ): Promise<RawAnswer> {
    return read(
      await fetch(`${server.url}/api/v1/agents/${target}/binary`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
        body,
        duplex: 'half',
      } as RequestInit),
    );
  }

  const send = (target: string, parts: Part[], token?: string): Promise<RawAnswer> => {
    const { body, contentType } = multipart(parts);
    return post(target, body, contentType, token);
  };

  /** Sends a form without telling its length, all of it whatever the answer. */
  function postChunked(connection: Agent, parts: Part[]): Promise<string> {
    const { body, contentType } = multipart(parts);
    return new Promise((resolve, reject) => {
      const outgoing = request(`${server.url}/api/v1/agents/fresh/binary`, {
        agent: connection,
        method: 'POST',
        headers: { authorization: `Bearer ${user.token}`, 'content-type': contentType, 'transfer-encoding': 'chunked' },
      });
      outgoing.on('error', reject);
      outgoing.on('response', (answer) => void text(answer).then(resolve, reject));
      outgoing.end(body);
    });
  }

  async function upload(target: string, parts: Part[], status: 200 | 201, token?: string): Promise<any> {
    const answer = await send(target, parts, token);
    return expectStatus({ ...answer, body: JSON.parse(answer.text) }, status).body;
  }

  async function refused(target: string, parts: Part[], status: number, code: string, token?: string): Promise<any> {
    const answer = await send(target, parts, token);
    expect(faultOf(answer, [status])).toBeUndefined();
    const problem = JSON.parse(answer.text);
    expect(problem.code).toBe(code);
    return problem;
  }

  const filesOf = async (folder: string): Promise<string[]> =>
    (await readdir(join(dataDir, 'blobs', folder), { recursive: true }).catch(() => [])).sort();
  const staged = (): Promise<string[]> => filesOf('staged');

  /** Everything an upload could leave behind. */
  const kept = async () => ({ rows: await contentOf(database.url), files: await filesOf('') });
});

/** The least that a new agent needs. */
const card = (): [Part, Part, Part] => [field('name', 'An agent'), field('capabilities', 'c'), field('price', '0.5')];
