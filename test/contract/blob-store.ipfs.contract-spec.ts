import { createCipheriv, createHash } from 'node:crypto';
import { appendFile, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { CarReader } from '@ipld/car';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CID } from 'multiformats/cid';
import { carOfFile, cut, type CuttingProfile, PROFILE } from '../../src/storage/drivers/ipfs-blocks.js';
import { EmbeddedIpfs } from '../../src/storage/drivers/ipfs-embedded.js';
import { IpfsBlobStore } from '../../src/storage/drivers/ipfs.driver.js';
import { Staging } from '../../src/storage/staging.js';
import { describeBlobStore } from './blob-store.contract.js';

const MB = 1024 * 1024;
/** Kubo's `legacy-cid-v0` and `test-cid-v1`. */
const LEGACY: CuttingProfile = { ...PROFILE, cidVersion: 0, rawLeaves: false };
const LARGE_CHUNKS: CuttingProfile = { ...PROFILE, chunkBytes: MB };

async function* kuboBytes(size: number, seed: string): AsyncGenerator<Buffer> {
  const stream = createCipheriv('chacha20', createHash('sha256').update(seed).digest(), Buffer.alloc(16));
  const zeros = Buffer.alloc(256 * 1024);
  for (let left = size; left > 0; left -= zeros.length) yield stream.update(zeros.subarray(0, left));
}

async function backend() {
  const dir = await mkdtemp(join(tmpdir(), 'zerostate-ipfs-'));
  const node = new EmbeddedIpfs(join(dir, 'ipfs'));
  return {
    dir,
    node,
    store: new IpfsBlobStore(node),
    staging: new Staging(join(dir, 'staged')),
    async kept() {
      const entries = await readdir(dir, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
    },
    drop: () => rm(dir, { recursive: true }),
  };
}

describeBlobStore('ipfs', backend);

describe('the embedded IPFS node', () => {
  let own: Awaited<ReturnType<typeof backend>>;

  beforeEach(async () => {
    own = await backend();
  });

  afterEach(() => own.drop());

  const stage = (bytes: Buffer) => own.staging.stage(Readable.from([bytes], { objectMode: false }), 60 * MB);

  it.each([
    ['nothing', Buffer.alloc(0), 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'],
    ['hello world\\n', Buffer.from('hello world\n'), 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4'],
  ])('gives %s the CID that Kubo gives it', async (_, bytes, cid) => {
    expect(await own.node.add(await stage(bytes))).toBe(cid);
  });

  /**
   * Vectors of Kubo's own tests (test/cli/add_test.go): their bytes are the ChaCha20 stream of a seed's hash. They are of
   * two profiles: one has our chunks, the other our kind of CID and of leaves. Each is once just below and once just
   * above what one level of 174 links holds.
   */
  it.each([
    [44_544 * 1024, LEGACY, 'v0-seed', 'QmUbBALi174SnogsUzLpYbD4xPiBSFANF4iztWCsHbMKh2'],
    [44_800 * 1024, LEGACY, 'v0-seed', 'QmepeWtdmS1hHXx1oZXsPUv6bMrfRRKfZcoPPU4eEfjnbf'],
    [174 * MB, LARGE_CHUNKS, 'v1-seed', 'bafybeigwduxcf2aawppv3isnfeshnimkyplvw3hthxjhr2bdeje4tdaicu'],
    [175 * MB, LARGE_CHUNKS, 'v1-seed', 'bafybeidhd7lo2n2v7lta5yamob3xwhbxcczmmtmhquwhjesi35jntf7mpu'],
  ])('cuts %i bytes into the blocks that Kubo makes of them: %j', async (size, profile, seed, cid) => {
    expect(String(await cut(kuboBytes(size, seed), profile, async () => {}))).toBe(cid);
  });

  it('sweeps away what an upload that died has left, and nothing else', async () => {
    const cid = await own.node.add(await stage(Buffer.from('hello world\n')));
    const draft = join(own.dir, 'ipfs', 'x.draft');
    await writeFile(draft, 'half of a');
    expect(await own.store.sweep(60_000)).toBe(0);
    const past = new Date(Date.now() - 120_000);
    for (const path of [draft, join(own.dir, 'ipfs', `${cid}.car`)]) await utimes(path, past, past);
    expect(await own.store.sweep(60_000)).toBe(1);
    expect(await readdir(join(own.dir, 'ipfs'))).toEqual([`${cid}.car`]);
  });

  it('stores nothing of a file that has changed meanwhile', async () => {
    const staged = await stage(Buffer.alloc(2 * MB, 1));
    const ref = await own.store.refOf(staged);
    await appendFile(staged.path, 'more');
    expect(await own.store.put(staged)).not.toBe(ref);
    await expect(buffer(Readable.from(carOfFile(staged.path, CID.parse(ref.split(':')[1]))))).rejects.toMatchObject({
      code: 'BLOB_CORRUPT',
    });
  });

  it('answers what it keeps as CAR file, with each block under its hash', async () => {
    const cid = await own.node.add(await stage(Buffer.alloc(MB, 'abc')));
    const car = await CarReader.fromIterable(await own.node.car(cid));
    expect((await car.getRoots()).map(String)).toEqual([cid]);
    expect((await car.get((await car.getRoots())[0]))?.bytes.length).toBeGreaterThan(0);
  });

  it('answers addresses by CID: of the gateway that is configured, else of this server', async () => {
    const ref = await own.store.put(await stage(Buffer.from('hello world\n')));
    const download = { expiresInSeconds: 60, filename: 'a.wasm', contentType: 'application/wasm' };
    const path = 'ipfs/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4?filename=a.wasm';
    expect(await own.store.signedUrl(ref, download)).toBe(`/api/v1/${path}`);
    const behindGateway = new IpfsBlobStore(own.node, 'https://ipfs.example');
    expect(await behindGateway.signedUrl(ref, download)).toBe(`https://ipfs.example/${path}`);
    expect(await text(await own.store.get(ref))).toBe('hello world\n');
  });
});
