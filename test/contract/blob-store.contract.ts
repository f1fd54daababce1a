import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { BlobStore } from '../../src/storage/index.js';

/** An empty store of a test's own. */
export interface BlobBackend {
  store: BlobStore;
  /** Names of all that it really keeps, staged blobs included. */
  kept(): Promise<string[]>;
  drop(): Promise<void>;
}

const MB = 1024 * 1024;

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

    const stage = (bytes: Buffer, maxBytes = MB) => store.stage(inPieces(bytes), maxBytes);
    const keep = async (bytes: Buffer) => store.commit(await stage(bytes));

    it.each([0, 1, 65_536, MB])(
      'counts and hashes %i bytes on their way, and has them at hand before the commit',
      async (size) => {
        const bytes = bytesOf(size);
        const staged = await stage(bytes);
        expect(staged).toMatchObject({ size, sha256: sha256(bytes) });
        expect(bytes.equals(await readFile(staged.path))).toBe(true);
        expect(await store.exists(`${driver}:${staged.sha256}`)).toBe(false);
      },
    );

    it('answers a committed blob under a reference that names the driver and the content', async () => {
      const bytes = bytesOf(100_000);
      const ref = await keep(bytes);
      expect(ref).toBe(`${driver}:${sha256(bytes)}`);
      expect(await store.exists(ref)).toBe(true);
      expect(bytes.equals(await store.read(ref))).toBe(true);
      expect(bytes.equals(await buffer(await store.open(ref)))).toBe(true);
    });

    it('keeps the same bytes once, also when they come at the same time', async () => {
      const bytes = bytesOf(70_000);
      const refs = await Promise.all(Array.from({ length: 8 }, () => keep(bytes)));
      expect(new Set([...refs, await keep(bytes)]).size).toBe(1);
      expect(await backend.kept()).toHaveLength(1);
      expect(bytes.equals(await store.read(refs[0]))).toBe(true);
    });

    it('takes as much as it may, and leaves nothing of one byte more', async () => {
      const bytes = bytesOf(200_000);
      await store.discard(await stage(bytes, 200_000));
      await expect(stage(bytes, 199_999)).rejects.toMatchObject({ kind: 'too_large', code: 'BLOB_TOO_LARGE' });
      expect(await backend.kept()).toEqual([]);
    });

    it('stops reading a source that never ends', async () => {
      let read = 0;
      const endless = new Readable({
        read() {
          read += 1000;
          this.push(Buffer.alloc(1000));
        },
      });
      await expect(store.stage(endless, 100_000)).rejects.toMatchObject({ code: 'BLOB_TOO_LARGE' });
      expect(endless.destroyed).toBe(true);
      expect(read).toBeLessThan(MB);
    });

    it('leaves nothing of a source that fails or is cut off, and tells its error', async () => {
      const failing = Readable.from(
        (async function* () {
          yield bytesOf(100_000);
          throw new Error('the client hung up');
        })(),
      );
      await expect(store.stage(failing, MB)).rejects.toThrow('the client hung up');

      const cut = new Readable({ read: () => undefined });
      cut.push(bytesOf(1000));
      const staging = store.stage(cut, MB);
      cut.destroy();
      await expect(staging).rejects.toThrow();
      expect(await backend.kept()).toEqual([]);
    });

    it('discards what was only staged, any number of times', async () => {
      const staged = await stage(bytesOf(1000));
      await store.discard(staged);
      await store.discard(staged);
      expect(await backend.kept()).toEqual([]);
    });

    it('keeps a committed blob when its staged form is discarded', async () => {
      const staged = await stage(bytesOf(1000));
      const ref = await store.commit(staged);
      await store.discard(staged);
      expect(await store.exists(ref)).toBe(true);
    });

    it('deletes a blob and no other, any number of times', async () => {
      const [doomed, other] = [await keep(bytesOf(1000)), await keep(bytesOf(1001))];
      await store.delete(doomed);
      await store.delete(doomed);
      expect(await store.exists(doomed)).toBe(false);
      expect(await store.exists(other)).toBe(true);
      await expect(store.read(doomed)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
    });

    it('says that there is no such blob', async () => {
      const unknown = `${driver}:${sha256(Buffer.from('never stored'))}`;
      const notFound = { kind: 'not_found', code: 'BLOB_NOT_FOUND' };
      await expect(store.read(unknown)).rejects.toMatchObject(notFound);
      await expect(store.open(unknown)).rejects.toMatchObject(notFound);
      expect(await store.exists(unknown)).toBe(false);
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
      for (const use of [store.read(ref), store.open(ref), store.exists(ref), store.delete(ref)]) {
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

/** A stream in uneven pieces, as they come from a network. */
function inPieces(bytes: Buffer): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 65_521) {
    pieces.push(bytes.subarray(at, at + size));
  }
  return Readable.from(pieces, { objectMode: false });
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
