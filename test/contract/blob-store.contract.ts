import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { BlobStore, Staging } from '../../src/storage/index.js';

/** An empty store of a test's own. */
export interface BlobBackend {
  store: BlobStore;
  staging: Staging;
  /** Names of all that it really keeps, staged files included. */
  kept(): Promise<string[]>;
  drop(): Promise<void>;
}

const MB = 1024 * 1024;
const NOT_FOUND = { kind: 'not_found', code: 'BLOB_NOT_FOUND' };

/** The contract of the port `BlobStore`, for one driver. `start` is called before each test. */
export function describeBlobStore(driver: string, start: () => Promise<BlobBackend>): void {
  describe(`the blob store ${driver}`, () => {
    let backend: BlobBackend;
    let store: BlobStore;

    beforeEach(async () => {
      backend = await start();
      store = backend.store;
    });

    afterEach(() => backend.drop());

    const stage = (bytes: Buffer) => backend.staging.stage(Readable.from([bytes], { objectMode: false }), 10 * MB);
    const keep = async (bytes: Buffer) => {
      const staged = await stage(bytes);
      return store.put(staged).finally(() => backend.staging.discard(staged));
    };

    it.each([0, 1, 65_536, MB])('knows the reference of %i bytes before it stores them', async (size) => {
      const staged = await stage(bytesOf(size));
      const ref = await store.refOf(staged);
      await expect(store.stat(ref)).rejects.toMatchObject(NOT_FOUND);
      expect(await store.put(staged)).toBe(ref);
      expect(await store.stat(ref)).toMatchObject({ size });
    });

    it('answers a stored blob under a reference that names the driver', async () => {
      const bytes = bytesOf(100_000);
      const ref = await keep(bytes);
      expect(ref.startsWith(`${driver}:`)).toBe(true);
      expect(await store.stat(ref)).toEqual({ size: bytes.length, sha256: sha256(bytes) });
      expect(bytes.equals(await store.read(ref))).toBe(true);
      expect(bytes.equals(await buffer(await store.get(ref)))).toBe(true);
    });

    it.each([
      [0, 0],
      [0, 99_999],
      [70_000, 99_999],
      [12_345, 67_890],
    ])('answers the bytes from %i to %i', async (start, end) => {
      const bytes = bytesOf(100_000);
      const ref = await keep(bytes);
      expect(bytes.subarray(start, end + 1).equals(await buffer(await store.get(ref, { start, end })))).toBe(true);
    });

    it('keeps the same bytes once, also when they come at the same time', async () => {
      const bytes = bytesOf(70_000);
      const refs = await Promise.all(Array.from({ length: 8 }, () => keep(bytes)));
      expect(new Set([...refs, await keep(bytes)]).size).toBe(1);
      expect(await backend.kept()).toHaveLength(1);
      expect(bytes.equals(await store.read(refs[0]))).toBe(true);
    });

    it('deletes a blob and no other, any number of times', async () => {
      const [doomed, other] = [await keep(bytesOf(1000)), await keep(bytesOf(1001))];
      await store.delete(doomed);
      await store.delete(doomed);
      await expect(store.stat(doomed)).rejects.toMatchObject(NOT_FOUND);
      await expect(store.read(doomed)).rejects.toMatchObject(NOT_FOUND);
      expect(await store.stat(other)).toMatchObject({ size: 1001 });
    });

    it('stores again what was deleted', async () => {
      const bytes = bytesOf(1000);
      await store.delete(await keep(bytes));
      expect(bytes.equals(await store.read(await keep(bytes)))).toBe(true);
    });

    it('says that there is no such blob', async () => {
      const unknown = await store.refOf(await stage(Buffer.from('never stored')));
      await expect(store.read(unknown)).rejects.toMatchObject(NOT_FOUND);
      await expect(store.get(unknown)).rejects.toMatchObject(NOT_FOUND);
      await expect(store.stat(unknown)).rejects.toMatchObject(NOT_FOUND);
    });

    const hash = '0'.repeat(64);
    it.each([
      `another:${hash}`,
      hash,
      '',
      `${driver}:`,
      `${driver}:${hash.slice(1)}`,
      `${driver}:${hash}\n`,
      `${driver}:${'A'.repeat(64)}`,
      `${driver}:../../../../etc/passwd`,
      `${driver}:${'../'.repeat(21)}x`,
    ])('refuses %j, which is no reference of its own', async (ref) => {
      for (const use of [store.read(ref), store.get(ref), store.stat(ref), store.delete(ref)]) {
        await expect(use).rejects.toMatchObject({ code: 'BLOB_REF_UNKNOWN' });
      }
    });
  });
}

/** Bytes without a pattern, the same for the same size. */
function bytesOf(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, state = size + 1; at < size; at++) {
    state = (state * 48_271) % 2_147_483_647;
    bytes[at] = state & 0xff;
  }
  return bytes;
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
