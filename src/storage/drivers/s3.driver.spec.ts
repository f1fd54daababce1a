import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { S3BlobStore } from './s3.driver.js';

describe('an S3 service that falls silent', () => {
  let service: Server;

  afterEach(async () => {
    service.closeAllConnections();
    await new Promise((resolve) => service.close(resolve));
  });

  it.each<[string, (answer: ServerResponse) => void]>([
    ['before it answers', () => undefined],
    ['in the middle of its answer', (answer) => answer.writeHead(200, { 'content-length': 1000 }).write('of a binary')],
  ])('is given up: %s', async (_, begin) => {
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
    await expect(store.read(`s3:${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'STORAGE_AWAY' });
  });
});
