import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { BlobStore } from '../storage/index.js';
import { BinaryCache } from './binary-cache.js';

function cacheOf(maxBytes: number) {
  const reads: string[] = [];
  const read = async (ref: string) => {
    reads.push(ref);
    if (ref === 'missing') throw new Error('BLOB_NOT_FOUND');
    return Buffer.from(ref);
  };
  const cache = new BinaryCache({ read } as BlobStore, maxBytes);
  const get = (content: string) =>
    cache.get({ ref: content, sha256: createHash('sha256').update(content).digest('hex') });
  return { cache, get, reads };
}

describe('the cache of agent binaries', () => {
  it('reads a binary once, also for those who ask while it is on its way', async () => {
    const { get, reads } = cacheOf(100);
    await Promise.all([get('aaaa'), get('aaaa')]);
    expect((await get('aaaa')).toString()).toBe('aaaa');
    expect(reads).toEqual(['aaaa']);
  });

  it('keeps no more bytes than it may and forgets the least recently used', async () => {
    const { get, reads } = cacheOf(8);
    for (const content of ['aaaa', 'bbbb', 'aaaa', 'cccc', 'aaaa', 'bbbb', 'larger than all', 'bbbb'])
      await get(content);
    expect(reads).toEqual(['aaaa', 'bbbb', 'cccc', 'bbbb', 'larger than all']);
  });

  it('passes an error of the store on and tries again the next time', async () => {
    const { get, reads } = cacheOf(8);
    await expect(get('missing')).rejects.toThrow('BLOB_NOT_FOUND');
    await expect(get('missing')).rejects.toThrow('BLOB_NOT_FOUND');
    expect(reads).toHaveLength(2);
  });

  it('refuses bytes that do not have the hash', async () => {
    const { cache } = cacheOf(8);
    const binary = { ref: 'tampered', sha256: createHash('sha256').update('original').digest('hex') };
    await expect(cache.get(binary)).rejects.toMatchObject({ kind: 'internal', code: 'BLOB_CORRUPT' });
  });
});
