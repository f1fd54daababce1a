import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { CarReader } from '@ipld/car';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EmbeddedIpfs } from '../../src/storage/drivers/ipfs-embedded.js';
import { IpfsBlobStore } from '../../src/storage/drivers/ipfs.driver.js';
import { Staging } from '../../src/storage/staging.js';
import { describeBlobStore } from './blob-store.contract.js';

const MB = 1024 * 1024;

async function backend() {
  const dir = await mkdtemp(join(tmpdir(), 'zerostate-ipfs-'));
  const node = new EmbeddedIpfs(join(dir, 'ipfs'));
  return {
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
