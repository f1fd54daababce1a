import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { CarReader } from '@ipld/car';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { KuboIpfs } from '../../src/storage/drivers/ipfs-kubo.js';
import { EmbeddedIpfs } from '../../src/storage/drivers/ipfs-embedded.js';
import { IpfsBlobStore } from '../../src/storage/drivers/ipfs.driver.js';
import { Staging } from '../../src/storage/staging.js';
import { good, publish, submit } from '../e2e/agents.js';
import { padded } from '../e2e/padding.js';
import { registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase } from '../support/database.js';
import { type IpfsDaemon, startIpfsDaemon } from '../support/ipfs-daemon.js';
import { startServer } from '../support/server.js';
import { describeBlobStore } from './blob-store.contract.js';

const INSTALL_AND_START_MS = 300_000;
const MB = 1024 * 1024;

let daemon: IpfsDaemon;

beforeAll(async () => {
  daemon = await startIpfsDaemon();
}, INSTALL_AND_START_MS);

afterAll(() => daemon?.stop());

async function backend() {
  const dir = await mkdtemp(join(tmpdir(), 'zerostate-kubo-'));
  const node = new KuboIpfs(daemon.apiUrl);
  return {
    dir,
    node,
    store: new IpfsBlobStore(node),
    staging: new Staging(join(dir, 'staged')),
    kept: () => daemon.pinned(),
    async drop() {
      for (const cid of await daemon.pinned()) await daemon.unpin(cid);
      await rm(dir, { recursive: true });
    },
  };
}

/** The node is js-ipfs, which speaks Kubo's RPC: see `ipfs-daemon.ts` for what that proves. */
describeBlobStore('ipfs', backend);

describe('the IPFS driver on a node behind Kubo’s RPC', () => {
  let own: Awaited<ReturnType<typeof backend>>;

  beforeEach(async () => {
    own = await backend();
  });

  afterEach(() => own.drop());

  const stage = (bytes: Buffer) => own.staging.stage(Readable.from([bytes], { objectMode: false }), 60 * MB);

  it('pins a file under the CID that the embedded node gives it, and the node gives back its blocks', async () => {
    const bytes = Buffer.alloc(3 * MB, 'block after block ');
    const staged = await stage(bytes);
    const cid = await own.node.add(staged);
    expect(cid).toBe(await new EmbeddedIpfs(join(own.dir, 'embedded')).add(staged));
    expect(await daemon.pinned()).toEqual([cid]);
    const car = await CarReader.fromIterable(await own.node.car(cid));
    expect((await car.getRoots()).map(String)).toEqual([cid]);
  });

  it('has no content that the node does not pin, and does not look for it in the network', async () => {
    const cid = 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4';
    expect(await own.node.size(cid)).toBeUndefined();
    await expect(own.node.content(cid)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
    await expect(own.node.car(cid)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
  });

  it('keeps the binaries of a server, which downloads and runs them from there', async () => {
    const database = await createTestDatabase();
    const server = await startServer({
      env: { DATABASE_URL: database.url, STORAGE_DRIVER: 'ipfs', IPFS_API_URL: daemon.apiUrl },
    });
    try {
      const { token } = await registerUser(server.url);
      const wasm = padded(await good(), 600_000);
      const id = await publish(server.url, token, 'on-a-node', wasm, { capabilities: ['kubo'], price: '0.1' });
      const headers = { authorization: `Bearer ${token}` };
      const redirect = await fetch(`${server.url}/api/v1/agents/${id}/binary`, { headers, redirect: 'manual' });
      const address = new URL(redirect.headers.get('location') as string, server.url);
      expect(await daemon.pinned()).toContain(address.pathname.replace('/api/v1/ipfs/', ''));
      const part = await fetch(address, { headers: { range: 'bytes=262140-262150' } });
      expect(part.status).toBe(206);
      expect(wasm.subarray(262_140, 262_151).equals(Buffer.from(await part.arrayBuffer()))).toBe(true);
      await waitForTask(server.url, token, await submit(server.url, token, 'kubo'), 'completed');
    } finally {
      await server.stop();
      await database.drop();
    }
  });
});

/** What a healthy node does not do is played by a server of the test's own. */
describe('an IPFS node that fails', () => {
  const cid = 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4';
  let server: Server;

  const nodeThat = async (answer: RequestListener, prefix = 'http://'): Promise<KuboIpfs> => {
    server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new KuboIpfs(`${prefix}127.0.0.1:${(server.address() as AddressInfo).port}/`, 300);
  };

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  it.each([
    [401, 'STORAGE_MISCONFIGURED', 'API.Authorizations'],
    [403, 'STORAGE_MISCONFIGURED', 'API.Authorizations'],
    [404, 'STORAGE_MISCONFIGURED', 'port 5001'],
    [405, 'STORAGE_MISCONFIGURED', 'port 5001'],
    [500, 'STORAGE_AWAY', 'try again later'],
    [503, 'STORAGE_AWAY', 'try again later'],
  ])('answers a %i of it as %s', async (status, code, hint) => {
    const node = await nodeThat((_, response) => response.writeHead(status).end('{"Message":"no","Code":0}'));
    for (const use of [node.health(), node.size(cid), node.content(cid), node.remove(cid)]) {
      await expect(use).rejects.toMatchObject({ code, message: expect.stringContaining(hint) });
    }
  });

  it('is away when it cannot be reached, and when it says nothing', async () => {
    const away = { kind: 'unavailable', code: 'STORAGE_AWAY' };
    await expect(new KuboIpfs('http://127.0.0.1:1').health()).rejects.toMatchObject(away);
    const silent = await nodeThat(() => undefined);
    await expect(silent.health()).rejects.toMatchObject(away);
  });

  it('is misconfigured when what answers is something else', async () => {
    const node = await nodeThat((_, response) => response.end('<html>hello</html>'));
    await expect(node.health()).rejects.toMatchObject({ code: 'STORAGE_MISCONFIGURED' });
  });

  it('does not pass off half a file, or one that stops coming, as the whole', async () => {
    const say = (body: string, isEnd: boolean): RequestListener => {
      return (request, response) => {
        if (request.url?.includes('/pin/ls')) return response.end('{"Keys":{}}');
        if (request.url?.includes('/files/stat')) return response.end('{"Size":12}');
        response.write(body);
        if (isEnd) response.end();
      };
    };
    const half = await nodeThat(say('hello', true));
    await expect(half.content(cid).then(buffer)).rejects.toMatchObject({ code: 'STORAGE_AWAY' });
    server.closeAllConnections();
    server.close();
    const stuck = await nodeThat(say('hello', false));
    await expect(stuck.content(cid).then(buffer)).rejects.toMatchObject({ code: 'STORAGE_AWAY' });
  });

  it('is told the user and the password of its address', async () => {
    let authorization: string | undefined;
    const node = await nodeThat((request, response) => {
      authorization = request.headers.authorization;
      response.end('{"Version":"0.39.0"}');
    }, 'http://agent:se%3Acret@');
    await node.health();
    expect(Buffer.from(authorization!.replace('Basic ', ''), 'base64').toString()).toBe('agent:se:cret');
  });
});
