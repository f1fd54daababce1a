import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { S3BlobStore } from './s3.driver.js';

const REF = `s3:${'0'.repeat(64)}`;
const PART = 'of a binary';

describe('an S3 service that', () => {
  let service: Server;

  afterEach(async () => {
    service.closeAllConnections();
    await new Promise((resolve) => service.close(resolve));
  });

  it.each<[string, (answer: ServerResponse) => void]>([
    ['falls silent before it answers', () => undefined],
    ['falls silent in the middle of its answer', (answer) => begun(answer).write(PART)],
    ['hangs up in the middle of its answer', (answer) => begun(answer).write(PART, () => answer.destroy())],
  ])('%s is away, however its bytes are asked for', async (_, begin) => {
    service = createServer((_request, answer) => begin(answer));
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    const config = {
      bucket: 'binaries',
      endpoint: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
      publicEndpoint: undefined,
      region: 'us-east-1',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      forcePathStyle: true,
      serverSideEncryption: undefined,
    };
    const store = new S3BlobStore(config, 100);
    const asked = [store.read(REF), store.get(REF).then(buffer), store.deposits.open('a').then(buffer)];
    for (const answered of await Promise.allSettled(asked)) {
      expect(answered).toMatchObject({ status: 'rejected', reason: { kind: 'unavailable', code: 'STORAGE_AWAY' } });
    }
  });
});

const begun = (answer: ServerResponse): ServerResponse => answer.writeHead(200, { 'content-length': 1000 });
