import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { good, submit } from './agents.js';
import { padded } from './padding.js';
import { contentOf } from './rows.js';

describe('a binary that is brought before it is uploaded', () => {
  let database: TestDatabase;
  let dataDir: string;
  let server: ServerProcess;
  let user: TestUser;
  let wasm: Buffer;

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-deposits-'));
    await chmod(dataDir, 0o711);
    const env = { CLEANUP_INTERVAL_MS: '100', CLEANUP_GRACE_MS: '900000', MAX_BINARY_BYTES: '3000000' };
    server = await startServer({ env: { DATABASE_URL: database.url, DATA_DIR: dataDir, ...env } });
    user = await registerUser(server.url);
    wasm = await good();
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  const announce = async (bytes: Buffer) => {
    const announced = { size: bytes.length, sha256: sha256(bytes) };
    return expectStatus(await api(server.url).post('/deposits', announced, { token: user.token }), 201).body;
  };
  const bring = (upload: { url: string; headers: Record<string, string> }, bytes: Buffer): Promise<Response> => {
    const { 'Content-Length': _, ...headers } = upload.headers; // fetch sets it
    return fetch(new URL(upload.url, server.url), { method: 'PUT', headers, body: Uint8Array.from(bytes) });
  };
  const uploadOf = (deposit: string, slug: string, fields: Record<string, string> = {}, token = user.token) => {
    const form = new FormData();
    const card = { capabilities: slug, price: '0.5', ...fields, deposit };
    for (const [name, value] of Object.entries(card)) form.set(name, value);
    return api(server.url).post(`/agents/${slug}/binary`, form, { token });
  };
  const waiting = async () => (await readdir(join(dataDir, 'blobs', 'deposits')).catch(() => [])).sort();
  const staged = async () => readdir(join(dataDir, 'blobs', 'staged')).catch(() => []);
  const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as { code: string }).code];

  it('becomes a version that runs, as if its file had been in the form', async () => {
    const bytes = padded(wasm, 2_000_000);
    const { deposit, upload, expires_at } = await announce(bytes);
    expect(Date.parse(expires_at)).toBeGreaterThan(Date.now());
    expect((await bring(upload, bytes)).status).toBe(204);
    const { body } = expectStatus(await uploadOf(deposit, 'brought'), 201);
    expect(body).toMatchObject({
      binary_hash: sha256(bytes),
      binary_size: bytes.length,
      validation: { is_valid: true },
    });
    await waitForTask(server.url, user.token, await submit(server.url, user.token, 'brought'), 'completed');
    expect([await waiting(), await staged()]).toEqual([[], []]);
    // It is used up.
    expect((await uploadOf(deposit, 'brought')).body).toMatchObject({ status: 400, code: 'DEPOSIT_MISSING' });
  });

  it('is judged as any other, and may be tried again', async () => {
    const { deposit, upload } = await announce(Buffer.from('no wasm at all'));
    await bring(upload, Buffer.from('no wasm at all'));
    const before = await contentOf(database.url);
    for (const _ of [1, 2])
      expect((await uploadOf(deposit, 'unfit')).body).toMatchObject({ status: 422, code: 'NOT_WASM' });
    expect(await contentOf(database.url)).toEqual(before);
    expect(await staged()).toEqual([]);
  });

  it('is nothing but what was announced, at the address that was answered', async () => {
    const { deposit, upload } = await announce(wasm);
    const before = await waiting();
    const other = Buffer.from(wasm).fill(1, 20, 21);
    for (const bytes of [other, wasm.subarray(1), Buffer.concat([wasm, wasm]), Buffer.alloc(2_000_000)]) {
      expect(await codeOf(await bring(upload, bytes))).toEqual([400, 'DEPOSIT_MISMATCH']);
    }
    const changed = { ...upload, url: upload.url.replace(`size=${wasm.length}`, `size=${wasm.length + 1}`) };
    expect(await codeOf(await bring(changed, wasm))).toEqual([403, 'LINK_INVALID']);
    const elsewhere = { ...upload, url: upload.url.replace(/deposits\/[^/]+/, 'deposits/..%2f..%2fsecret') };
    expect(await codeOf(await bring(elsewhere, wasm))).toEqual([403, 'LINK_INVALID']);
    const typed = { ...upload, headers: { 'Content-Type': 'multipart/form-data; boundary=x' } };
    expect(await codeOf(await bring(typed, wasm))).toEqual([415, 'WASM_EXPECTED']);
    expect((await uploadOf(deposit, 'nothing')).body).toMatchObject({ status: 400, code: 'DEPOSIT_MISSING' });
    expect(await waiting()).toEqual(before);
    expect(await staged()).toEqual([]);
  });

  it('is its owner’s, and no deposit but a real one', async () => {
    const { deposit, upload } = await announce(wasm);
    await bring(upload, wasm);
    const other = await registerUser(server.url);
    const forged = deposit.replace(`.${wasm.length}.`, '.1.');
    for (const [token, caller] of [
      [deposit, other.token],
      [forged, user.token],
      ['../../secret', user.token],
      ['x', user.token],
      [`${deposit}x`, user.token],
    ]) {
      expect((await uploadOf(token, 'stolen', {}, caller)).body).toMatchObject({
        status: 400,
        code: 'DEPOSIT_INVALID',
      });
    }
    const form = new FormData();
    form.set('deposit', deposit);
    form.set('wasm_binary', new Blob([Uint8Array.from(wasm)]), 'a.wasm');
    const both = await api(server.url).post('/agents/both/binary', form, { token: user.token });
    expect(both.body).toMatchObject({ status: 400, errors: [{ field: 'deposit' }] });
  });

  it('may not be larger than a binary may be', async () => {
    const announced = { size: 3_000_001, sha256: '0'.repeat(64) };
    const answer = await api(server.url).post('/deposits', announced, { token: user.token });
    expect(answer.body).toMatchObject({ status: 400, errors: [{ field: 'size', message: 'must be at most 3000000' }] });
  });

  it('leaves nothing when the client breaks off, and is swept when nobody uses it', async () => {
    const bytes = padded(wasm, 500_000);
    const { upload } = await announce(bytes);
    const { hostname, port, pathname, search } = new URL(upload.url, server.url);
    const socket = connect(Number(port), hostname);
    const head = [`PUT ${pathname}${search} HTTP/1.1`, `Host: ${hostname}`, 'Content-Type: application/wasm'];
    socket.write([...head, `Content-Length: ${bytes.length}`, '', ''].join('\r\n'));
    socket.write(bytes.subarray(0, 100_000));
    await until('it is being staged', async () => (await staged()).length > 0);
    socket.destroy();
    await until('nothing is staged', async () => (await staged()).length === 0);

    await bring(upload, bytes);
    const box = join(dataDir, 'blobs', 'deposits');
    const past = new Date(Date.now() - 1_000_000);
    expect((await waiting()).length).toBeGreaterThan(0);
    for (const name of await waiting()) await utimes(join(box, name), past, past);
    await until('it is swept', async () => (await waiting()).length === 0);
  });
});
