import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../common/app-error.js';
import { newId } from '../../common/ids.js';
import type { BlobRef, BlobStore, StagedBlob } from '../blob-store.js';

/**
 * Blobs in a folder of this machine, named by the hash of their content:
 *
 *     <dir>/staged/<uuid>             bytes on their way
 *     <dir>/sha256/ab/abcdef…         committed; renamed into place, so a reader never sees half a blob
 */
export class LocalBlobStore implements BlobStore {
  constructor(private readonly dir: string) {}

  async stage(source: Readable, maxBytes: number): Promise<StagedBlob> {
    const path = join(this.dir, 'staged', newId());
    await mkdir(dirname(path), { recursive: true });
    const hash = createHash('sha256');
    let size = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        size += chunk.length;
        if (size > maxBytes) return done(tooLarge(maxBytes));
        hash.update(chunk);
        done(null, chunk);
      },
    });
    try {
      // `flush` makes the bytes durable before the file is closed, so a committed blob survives a power cut.
      await pipeline(source, measure, createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true }));
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    return { path, size, sha256: hash.digest('hex') };
  }

  async commit(staged: StagedBlob): Promise<BlobRef> {
    const path = this.pathOf(staged.sha256);
    await mkdir(dirname(path), { recursive: true });
    await rename(staged.path, path);
    await syncFolder(dirname(path));
    return `local:${staged.sha256}`;
  }

  async discard(staged: StagedBlob): Promise<void> {
    await rm(staged.path, { force: true });
  }

  async read(ref: BlobRef): Promise<Buffer> {
    return readFile(this.pathOf(keyOf(ref))).catch((error) => Promise.reject(asNotFound(error)));
  }

  async open(ref: BlobRef): Promise<Readable> {
    const path = this.pathOf(keyOf(ref));
    await access(path).catch((error) => Promise.reject(asNotFound(error)));
    return createReadStream(path);
  }

  async exists(ref: BlobRef): Promise<boolean> {
    return access(this.pathOf(keyOf(ref))).then(
      () => true,
      () => false,
    );
  }

  async delete(ref: BlobRef): Promise<void> {
    await rm(this.pathOf(keyOf(ref)), { force: true });
  }

  private pathOf(sha256: string): string {
    return join(this.dir, 'sha256', sha256.slice(0, 2), sha256);
  }
}

function keyOf(ref: BlobRef): string {
  const match = /^local:([0-9a-f]{64})$/.exec(ref);
  if (!match) throw new AppError('internal', 'BLOB_REF_UNKNOWN', `Not a reference of the local blob store: ${ref}`);
  return match[1];
}

const tooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', 'BLOB_TOO_LARGE', `The binary is larger than ${maxBytes} bytes.`);

const asNotFound = (error: NodeJS.ErrnoException): Error =>
  error.code === 'ENOENT'
    ? new AppError('not_found', 'BLOB_NOT_FOUND', 'The binary is not in the blob store.', { cause: error })
    : error;

/** A rename is durable once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}
