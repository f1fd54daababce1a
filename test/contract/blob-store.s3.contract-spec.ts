import { createHash, randomUUID } from 'node:crypto';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { S3Config } from '../../src/config/index.js';
import { S3BlobStore } from '../../src/storage/drivers/s3.driver.js';
import { Deposits } from '../../src/storage/deposits.js';
import { Staging } from '../../src/storage/staging.js';
import { good, submit } from '../e2e/agents.js';
import { padded } from '../e2e/padding.js';
import { type CephServer, startCeph } from '../support/ceph.js';
import { api, expectStatus, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase } from '../support/database.js';
import { startServer } from '../support/server.js';
import { type BlobBackend, describeBlobStore } from './blob-store.contract.js';

const INSTALL_AND_START_MS = 300_000;
const MB = 1024 * 1024;
const DOWNLOAD = { expiresInSeconds: 300, filename: 'agent-1.0.0.wasm', contentType: 'application/wasm' };

let ceph: CephServer;
let admin: S3Client;

beforeAll(async () => {
  ceph = await startCeph();
  const { endpoint, ...credentials } = ceph;
  admin = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
}, INSTALL_AND_START_MS);

afterAll(async () => {
  admin?.destroy();
  await ceph?.stop();
});

/** An empty bucket, and a store in it. */
async function backend(): Promise<BlobBackend & { config: S3Config }> {
  const Bucket = `test-${randomUUID()}`;
  const dir = await mkdtemp(join(tmpdir(), 'zerostate-s3-'));
  await admin.send(new CreateBucketCommand({ Bucket }));
  const config = {
    bucket: Bucket,
    endpoint: ceph.endpoint,
    publicEndpoint: undefined,
    region: 'us-east-1',
    credentials: { accessKeyId: ceph.accessKeyId, secretAccessKey: ceph.secretAccessKey },
    forcePathStyle: true,
    serverSideEncryption: undefined,
  };
  const kept = async () => {
    const { Contents = [] } = await admin.send(new ListObjectsV2Command({ Bucket }));
    return Contents.map(({ Key }) => Key as string);
  };
  return {
    config,
    store: new S3BlobStore(config),
    staging: new Staging(dir),
    kept,
    async drop() {
      for (const Key of await kept()) await admin.send(new DeleteObjectCommand({ Bucket, Key }));
      await admin.send(new DeleteBucketCommand({ Bucket }));
      await rm(dir, { recursive: true, force: true });
    },
  };
}

describeBlobStore('s3', backend);

describe('the S3 service', () => {
  let own: Awaited<ReturnType<typeof backend>>;

  beforeEach(async () => {
    own = await backend();
  });

  afterEach(() => own.drop());

  const stage = (bytes: Buffer) => own.staging.stage(Readable.from([bytes], { objectMode: false }), 20 * MB);
  const keep = async (bytes: Buffer) => own.store.put(await stage(bytes));
  const storeWith = (change: Partial<S3Config>) => new S3BlobStore({ ...own.config, ...change });

  it('takes a large binary in parts', async () => {
    const bytes = Buffer.alloc(12 * MB, 'a large binary ');
    const ref = await keep(bytes);
    expect(bytes.equals(await own.store.read(ref))).toBe(true);
    const [Key] = await own.kept();
    const { ETag } = await admin.send(new HeadObjectCommand({ Bucket: own.config.bucket, Key }));
    expect(ETag).toMatch(/-3"$/); // of three parts
  });

  it.each([1000, 12 * MB])('stores nothing of a staged file of %i bytes that has changed meanwhile', async (size) => {
    const staged = await stage(Buffer.alloc(size, 1));
    await appendFile(staged.path, 'more');
    await expect(own.store.put(staged)).rejects.toMatchObject({ code: 'BLOB_CORRUPT' });
    expect(await own.kept()).toEqual([]);
    const { Uploads = [] } = await admin.send(new ListMultipartUploadsCommand({ Bucket: own.config.bucket }));
    expect(Uploads).toEqual([]);
  });

  it('sweeps away the parts of an upload that died, once they are old', async () => {
    const Bucket = own.config.bucket;
    await admin.send(new CreateMultipartUploadCommand({ Bucket, Key: `sha256/${'0'.repeat(64)}` }));
    expect(await own.store.sweep(60_000)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await own.store.sweep(1000)).toBe(1);
    const { Uploads = [] } = await admin.send(new ListMultipartUploadsCommand({ Bucket }));
    expect(Uploads).toEqual([]);
  });

  it('answers a signed address with the name and the type of the download, and a range of it', async () => {
    const address = await own.store.signedUrl(await keep(Buffer.from('of the binary')), DOWNLOAD);
    const whole = await fetch(address);
    expect(whole.headers.get('content-type')).toBe('application/wasm');
    expect(whole.headers.get('content-disposition')).toBe('attachment; filename="agent-1.0.0.wasm"');
    expect(await whole.text()).toBe('of the binary');
    const part = await fetch(address, { headers: { range: 'bytes=3-5' } });
    expect([part.status, await part.text()]).toEqual([206, 'the']);
  });

  it('signs addresses for the host by which clients reach the service, which need not be the one it uses itself', async () => {
    const { port } = new URL(ceph.endpoint);
    const publicEndpoint = `http://localhost:${port}`;
    const store = storeWith({ publicEndpoint });
    const ref = await store.put(await stage(Buffer.from('for a client')));
    const download = await store.signedUrl(ref, DOWNLOAD);
    expect(new URL(download).origin).toBe(publicEndpoint);
    expect(await (await fetch(download)).text()).toBe('for a client');
    expect((await fetch(download.replace(publicEndpoint, ceph.endpoint))).status).toBe(403);

    const bytes = Buffer.from('from a client');
    const announced = { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    const { url, headers } = await store.deposits.address('public', announced, Date.now() / 1000 + 300);
    expect(new URL(url).origin).toBe(publicEndpoint);
    const { 'Content-Length': _, ...sent } = headers; // fetch sets it
    expect((await fetch(url, { method: 'PUT', headers: sent, body: Uint8Array.from(bytes) })).status).toBe(200);
    expect(await own.kept()).toContain('deposits/public');
  });

  it('refuses an address that was changed, that is not signed, and that has expired', async () => {
    const one = await keep(Buffer.from('one'));
    const other = await keep(Buffer.from('other'));
    const address = await own.store.signedUrl(one, DOWNLOAD);
    const statusOf = async (url: string) => (await fetch(url)).status;
    expect(await statusOf(address)).toBe(200);
    expect(await statusOf(address.replace(one.slice('s3:'.length), other.slice('s3:'.length)))).toBe(403);
    expect(await statusOf(address.replace('agent-1.0.0', 'agent-2.0.0'))).toBe(403);
    expect(await statusOf(address.replace('X-Amz-Expires=300', 'X-Amz-Expires=3000'))).toBe(403);
    expect(await statusOf(address.split('?')[0])).toBe(403);
    const shortLived = await own.store.signedUrl(one, { ...DOWNLOAD, expiresInSeconds: 1 });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect(await statusOf(shortLived)).toBe(403);
  });

  it('takes deposits at presigned addresses, of the announced length and by nobody else, and sweeps them', async () => {
    const bytes = Buffer.from('brought by a client');
    const announced = { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    const box = new S3BlobStore(own.config).deposits;
    const deposits = new Deposits(async () => box, own.staging, 'of the tests');
    const { token, upload } = await deposits.announce('owner', announced);
    await expect(deposits.stage('owner', token)).rejects.toMatchObject({ code: 'DEPOSIT_MISSING' });

    const { 'Content-Length': _, ...headers } = upload.headers; // fetch sets it
    const put = async (url: string, body: Buffer, sent: Record<string, string> = headers): Promise<number> =>
      (await fetch(url, { method: 'PUT', headers: sent, body: Uint8Array.from(body) })).status;
    const signed = new URL(upload.url);
    expect(signed.searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;host;x-amz-checksum-sha256');
    expect(await put(upload.url, Buffer.alloc(bytes.length + 1))).toBe(403);
    expect(await put(upload.url, bytes, {})).toBe(403);
    expect(await put(upload.url.split('?')[0], bytes)).toBe(403);
    expect(await put(upload.url.replace('/deposits/', '/sha256/'), bytes)).toBe(403);
    expect(await own.kept()).toEqual([]);
    const { url: expired } = await box.address('x', announced, Date.now() / 1000 + 1);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect(await put(expired, bytes)).toBe(403);

    expect(await put(upload.url, bytes)).toBe(200);
    const staged = await deposits.stage('owner', token);
    expect(staged).toMatchObject(announced);
    await own.staging.discard(staged);
    // Of a service that does not look at the checksum: other bytes of the same length are found out here.
    await admin.send(
      new PutObjectCommand({ Bucket: own.config.bucket, Key: (await own.kept())[0], Body: Buffer.alloc(bytes.length) }),
    );
    await expect(deposits.stage('owner', token)).rejects.toMatchObject({ code: 'DEPOSIT_MISMATCH' });
    expect(await deposits.sweep(60_000)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await deposits.sweep(1000)).toBe(1);
    expect(await own.kept()).toEqual([]);
  });

  it('keeps the binaries of a server: brought to the bucket, run from there, downloaded from there', async () => {
    const { bucket, endpoint, credentials } = own.config;
    const database = await createTestDatabase();
    const server = await startServer({
      env: {
        DATABASE_URL: database.url,
        STORAGE_DRIVER: 's3',
        S3_BUCKET: bucket,
        S3_ENDPOINT: endpoint!,
        S3_ACCESS_KEY_ID: credentials!.accessKeyId,
        S3_SECRET_ACCESS_KEY: credentials!.secretAccessKey,
      },
    });
    try {
      const { token } = await registerUser(server.url);
      const wasm = padded(await good(), 300_000);
      const announced = { size: wasm.length, sha256: createHash('sha256').update(wasm).digest('hex') };
      const { body } = expectStatus(await api(server.url).post('/deposits', announced, { token }), 201);
      expect(body.upload.url.startsWith(`${endpoint}/${bucket}/deposits/`)).toBe(true);
      const { 'Content-Length': _, ...headers } = body.upload.headers; // fetch sets it
      const brought = await fetch(body.upload.url, { method: 'PUT', headers, body: Uint8Array.from(wasm) });
      expect(brought.status).toBe(200);

      const form = new FormData();
      for (const [name, value] of Object.entries({ capabilities: 's3', price: '0.1', deposit: body.deposit })) {
        form.set(name, value as string);
      }
      const { agent_id } = expectStatus(await api(server.url).post('/agents/in-s3/binary', form, { token }), 201).body;
      expect((await own.kept()).filter((key) => key.startsWith('deposits/'))).toEqual([]);
      expect(await own.kept()).toContain(`sha256/${announced.sha256}`);
      const download = await api(server.url).get(`/agents/${agent_id}/binary`, { token });
      const bytes = await (await fetch(download.headers.get('location') as string)).arrayBuffer();
      expect(wasm.equals(Buffer.from(bytes))).toBe(true);
      await waitForTask(server.url, token, await submit(server.url, token, 's3'), 'completed');
    } finally {
      await server.stop();
      await database.drop();
    }
  });

  it('is healthy, until its bucket is gone', async () => {
    await own.store.health();
    await expect(storeWith({ bucket: 'no-such-bucket' }).health()).rejects.toMatchObject({
      code: 'STORAGE_MISCONFIGURED',
      message: expect.stringContaining('S3_BUCKET'),
    });
  });

  it.each<[string, Partial<S3Config>, string]>([
    ['a missing bucket', { bucket: 'no-such-bucket' }, 'S3_BUCKET'],
    ['an unknown key', { credentials: { accessKeyId: 'nobody', secretAccessKey: 'x' } }, 'S3_ACCESS_KEY_ID'],
    ['a wrong secret', { credentials: { accessKeyId: 'zerostate', secretAccessKey: 'x' } }, 'S3_SECRET_ACCESS_KEY'],
  ])('names the variable to correct for %s, whatever is asked', async (_, change, variable) => {
    const store = storeWith(change);
    const ref = await store.refOf(await stage(Buffer.from('x')));
    const misconfigured = {
      kind: 'internal',
      code: 'STORAGE_MISCONFIGURED',
      message: expect.stringContaining(variable),
    };
    await expect(store.put(await stage(Buffer.from('x')))).rejects.toMatchObject(misconfigured);
    await expect(store.read(ref)).rejects.toMatchObject(misconfigured);
    await expect(store.stat(ref)).rejects.toMatchObject(misconfigured);
    await expect(store.delete(ref)).rejects.toMatchObject(misconfigured);
    await expect(store.health()).rejects.toMatchObject(misconfigured);
  });

  it('gets over a clock that is an hour wrong', async () => {
    const ref = await keep(Buffer.from('x'));
    const now = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000);
    const text = await storeWith({})
      .read(ref)
      .then(String, (error) => error.message)
      .finally(() => jest.restoreAllMocks());
    expect(text).toBe('x');
  });

  describe('behind a network with faults', () => {
    let faults: (() => boolean)[];
    let network: Server;
    let store: S3BlobStore;
    /** Requests that have passed, headers included. */
    let passed: IncomingMessage[];

    beforeEach(async () => {
      faults = [];
      passed = [];
      network = createServer((incoming, outgoing) => {
        passed.push(incoming);
        if (faults.shift()?.()) return outgoing.writeHead(503).end();
        const { method, url: path, headers } = incoming;
        const { port } = new URL(ceph.endpoint);
        const forwarded = request({ port, method, path, headers }, (answer) => {
          outgoing.writeHead(answer.statusCode as number, answer.headers);
          answer.pipe(outgoing);
        });
        incoming.pipe(forwarded);
      });
      await new Promise<void>((resolve) => network.listen(0, '127.0.0.1', resolve));
      store = storeWith({ endpoint: `http://127.0.0.1:${(network.address() as AddressInfo).port}` });
    });

    afterEach(() => {
      network.closeAllConnections();
      network.close();
    });

    it('tries again when the service has a fault', async () => {
      faults = [() => true, () => true];
      const ref = await store.put(await stage(Buffer.from('x')));
      faults = [() => true, () => true];
      expect(String(await store.read(ref))).toBe('x');
      expect(faults).toEqual([]);
    });

    it('asks for encryption at rest, under its signature; a service that has none is named as misconfigured', async () => {
      const { port } = network.address() as AddressInfo;
      for (const [serverSideEncryption, size] of [
        ['AES256', 1000],
        ['AES256', 6 * MB],
        ['aws:kms', 1000],
      ] as const) {
        passed = [];
        const encrypting = storeWith({ endpoint: `http://127.0.0.1:${port}`, serverSideEncryption });
        await expect(encrypting.put(await stage(Buffer.alloc(size)))).rejects.toMatchObject({
          code: 'STORAGE_MISCONFIGURED',
          message: expect.stringContaining('S3_SSE'),
        });
        const [{ headers }] = passed;
        expect(headers['x-amz-server-side-encryption']).toBe(serverSideEncryption);
        expect(headers.authorization).toMatch(/SignedHeaders=[^,]*x-amz-server-side-encryption/);
      }
      expect(await own.kept()).toEqual([]);
      await store.put(await stage(Buffer.from('x')));
      expect(passed.at(-1)!.headers).not.toHaveProperty('x-amz-server-side-encryption');
    });

    it('says that the service is away when it has nothing but faults, or does not answer', async () => {
      const ref = await keep(Buffer.from('x'));
      const away = { kind: 'unavailable', code: 'STORAGE_AWAY' };
      faults = Array.from({ length: 100 }, () => () => true);
      await expect(store.read(ref)).rejects.toMatchObject(away);
      expect(faults.length).toBeLessThan(99);
      network.closeAllConnections();
      network.close();
      await expect(store.read(ref)).rejects.toMatchObject(away);
      await expect(store.health()).rejects.toMatchObject(away);
    });
  });
});
