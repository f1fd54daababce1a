import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import type { Request } from 'express';
import { bodyOf, unpackedBodyOf } from './request-body.js';

describe('the body of a request', () => {
  it('ends with an error when the client has left before anybody asked for it', async () => {
    const request = Object.assign(new Readable({ read() {} }), { complete: false, headers: {} });
    request.destroy();
    await new Promise((closed) => request.once('close', () => closed(undefined)));
    for (const read of [bodyOf, unpackedBodyOf]) {
      await expect(text(read(request as unknown as Request))).rejects.toMatchObject({ code: 'MALFORMED_REQUEST' });
    }
  });

  it('is what was sent, when that is whole', async () => {
    const request = Object.assign(Readable.from([Buffer.from('{"a":'), Buffer.from('1}')]), {
      complete: true,
      headers: {},
    });
    expect(await text(bodyOf(request as unknown as Request))).toBe('{"a":1}');
  });

  it.each(['gzip', 'deflate', 'br'])('is refused when its encoding says %s and it is not', async (encoding) => {
    const request = Object.assign(Readable.from([Buffer.from('{"a":1}')]), {
      complete: true,
      headers: { 'content-encoding': encoding },
    });
    await expect(text(unpackedBodyOf(request as unknown as Request))).rejects.toMatchObject({
      kind: 'invalid',
      code: 'MALFORMED_REQUEST',
      message: expect.stringContaining(encoding),
    });
  });
});
