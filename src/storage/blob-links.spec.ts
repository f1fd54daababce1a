import { describe, expect, it } from '@jest/globals';
import { BlobLinks } from './blob-links.js';

describe('a signed address', () => {
  const links = new BlobLinks('a secret');
  const ref = `local:${'0'.repeat(64)}`;
  const download = { expiresInSeconds: 60, filename: 'a-1.0.0+b.wasm', contentType: 'application/wasm' };

  const read = (url: string) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost');
    const { expires, filename, type, signature } = Object.fromEntries(searchParams);
    const link = { expires: Number(expires), filename, type, signature };
    return { ref: decodeURIComponent(pathname.split('/').at(-1)!), link };
  };

  it('is good as it was made, also in another process with the same secret', () => {
    const made = read(links.create(ref, download));
    expect(made.ref).toBe(ref);
    expect(made.link).toMatchObject({ filename: download.filename, type: download.contentType });
    expect(() => new BlobLinks('a secret').assertGood(made.ref, made.link)).not.toThrow();
  });

  it('is void once anything in it is changed, and under another secret', () => {
    const { link } = read(links.create(ref, download));
    const changes = [
      { ...link, expires: link.expires + 1 },
      { ...link, filename: 'other.wasm' },
      { ...link, type: 'text/html' },
      { ...link, signature: '' },
      { ...link, signature: link.signature.slice(1) },
      { ...link, signature: `A${link.signature.slice(1)}` === link.signature ? 'B' : `A${link.signature.slice(1)}` },
    ];
    for (const changed of changes) {
      expect(() => links.assertGood(ref, changed)).toThrow(expect.objectContaining({ code: 'LINK_INVALID' }));
    }
    const other = `local:${'1'.repeat(64)}`;
    expect(() => links.assertGood(other, link)).toThrow(expect.objectContaining({ code: 'LINK_INVALID' }));
    const stranger = new BlobLinks('another secret');
    expect(() => stranger.assertGood(ref, link)).toThrow(expect.objectContaining({ code: 'LINK_INVALID' }));
  });

  it('expires', () => {
    const { link } = read(links.create(ref, { ...download, expiresInSeconds: -1 }));
    expect(() => links.assertGood(ref, link)).toThrow(expect.objectContaining({ code: 'LINK_EXPIRED' }));
  });
});
