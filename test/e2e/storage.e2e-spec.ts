import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { good, publish, submit } from './agents.js';
import { until } from '../support/until.js';
import { padded } from './padding.js';
import { ask } from './rows.js';

describe('where binaries are stored', () => {
  let database: TestDatabase;
  let dataDir: string;
  let server: ServerProcess;
  let token: string;
  let wasm: Buffer;

  const start = (env: Record<string, string>): Promise<ServerProcess> =>
    startServer({ env: { DATABASE_URL: database.url, DATA_DIR: dataDir, ...env } });

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-storage-'));
    await chmod(dataDir, 0o711);
    wasm = await good();
    server = await start({});
    token = (await registerUser(server.url)).token;
  });

  afterAll(async () => {
    await server.stop();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('lets the next agent win when the binary of the first is damaged, and says so', async () => {
    const broken = await publish(server.url, token, 'damaged', wasm, { capabilities: ['store'], price: '0.1' });
    const sha256 = createHash('sha256').update(wasm).digest('hex');
    await writeFile(join(dataDir, 'blobs', 'sha256', sha256.slice(0, 2), sha256), 'not what was uploaded');
    const sound = await publish(server.url, token, 'sound', padded(wasm, 1000), {
      capabilities: ['store'],
      price: '0.4',
    });
    const id = await submit(server.url, token, 'store');
    const task = await waitForTask(server.url, token, id, 'completed');
    expect(task.attempts).toMatchObject([
      { agent_id: broken, outcome: 'blob_corrupt', error: { code: 'BLOB_CORRUPT' } },
      { agent_id: sound, outcome: 'completed', error: null },
    ]);
  });

  it('says which store is missing of a binary in one that is not configured any more, and lets the next agent win', async () => {
    const stranded = await publish(server.url, token, 'stranded', padded(wasm, 3000), {
      capabilities: ['strand'],
      price: '0.1',
    });
    const sound = await publish(server.url, token, 'ashore', padded(wasm, 4000), {
      capabilities: ['strand'],
      price: '0.4',
    });
    const ref = `s3:${'0'.repeat(64)}`;
    await ask(database.url, 'INSERT INTO blobs (ref) VALUES ($1)', [ref]);
    await ask(database.url, 'UPDATE agent_binaries SET storage_ref = $1 WHERE agent_id = $2', [ref, stranded]);
    await ask(database.url, 'UPDATE agents SET updated_at = now() WHERE id = $1', [stranded]);
    for (const redirect of [true, false]) {
      const answer = await api(server.url).get(`/agents/${stranded}/binary?redirect=${redirect}`, { token });
      expect(answer.status).toBe(500);
      expect(answer.body).toMatchObject({
        code: 'STORAGE_MISCONFIGURED',
        detail: 'The bytes are in the store "s3", which is not configured on this server.',
      });
    }
    await until('the catalogue knows', async () => {
      const task = await waitForTask(server.url, token, await submit(server.url, token, 'strand'), 'completed');
      return task.attempts.length === 2 && task;
    }).then((task) =>
      expect(task.attempts).toMatchObject([
        { agent_id: stranded, outcome: 'storage_misconfigured', error: { code: 'STORAGE_MISCONFIGURED' } },
        { agent_id: sound, outcome: 'completed', error: null },
      ]),
    );
  });

  it('keeps what was stored readable when the driver is changed, and stores new binaries in IPFS', async () => {
    const before = padded(wasm, 2000);
    const after = padded(wasm, 600_000);
    const binaryOf = (id: string) => `${server.url}/api/v1/agents/${id}/binary`;
    const headers = { authorization: `Bearer ${token}` };
    const bytesAt = async (url: string) => Buffer.from(await (await fetch(url, { headers })).arrayBuffer());
    const old = await publish(server.url, token, 'old', before, { capabilities: ['move'], price: '0.1' });
    await server.stop();
    server = await start({ STORAGE_DRIVER: 'ipfs' });
    const ready = (await (await fetch(`${server.url}/health/ready`)).json()) as any;
    expect(ready.dependencies.storage).toMatchObject({ status: 'up' });
    const young = await publish(server.url, token, 'young', after, { capabilities: ['ipfs'], price: '0.1' });
    expect(before.equals(await bytesAt(binaryOf(old)))).toBe(true);
    expect(after.equals(await bytesAt(binaryOf(young)))).toBe(true);

    const redirect = await fetch(binaryOf(young), { headers, redirect: 'manual' });
    const address = new URL(redirect.headers.get('location') as string, server.url);
    expect(address.pathname).toMatch(/^\/api\/v1\/ipfs\/bafybei[a-z2-7]{52}$/);
    const cid = address.pathname.split('/').at(-1);
    const part = await fetch(address, { headers: { range: 'bytes=262140-262150' } });
    expect([part.status, part.headers.get('etag')]).toEqual([206, `"${cid}"`]);
    expect(after.subarray(262_140, 262_151).equals(Buffer.from(await part.arrayBuffer()))).toBe(true);
    expect((await fetch(address, { headers: { 'if-none-match': `"${cid}"` } })).status).toBe(304);
    const car = await fetch(`${server.url}/api/v1/ipfs/${cid}?format=car`);
    expect(car.headers.get('content-type')).toBe('application/vnd.ipld.car; version=1');
    expect((await car.arrayBuffer()).byteLength).toBeGreaterThan(after.length);
    const unknown = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku';
    for (const other of [unknown, '..%2fsecret', 'x']) {
      expect((await fetch(`${server.url}/api/v1/ipfs/${other}`)).status).toBe(404);
    }

    for (const capability of ['move', 'ipfs']) {
      await waitForTask(server.url, token, await submit(server.url, token, capability), 'completed');
    }
  });
});
