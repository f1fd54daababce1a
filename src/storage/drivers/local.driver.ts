import { createReadStream } from 'node:fs';
import { access, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { AppError } from '../../common/app-error.js';
import type { BlobLinks } from '../blob-links.js';
import type { BlobRef, BlobStat, BlobStore, ByteRange, SignedDownload } from '../blob-store.js';
import { makePrivateFolder } from '../private-folder.js';
import type { StagedBlob } from '../staging.js';
import { missing } from './blob-faults.js';
import { assertWritable, syncFolder } from './folder.js';

/**
 * Blobs in a folder of this machine, named by the hash of their content: `<dir>/sha256/ab/abcdef…`. They are renamed
 * into place, so a reader never sees half a blob.
 */
export class LocalBlobStore implements BlobStore {
  /** @param dir on the file system of the staging area */
  constructor(
    private readonly dir: string,
    private readonly links: BlobLinks,
  ) {}

  async refOf({ sha256 }: StagedBlob): Promise<BlobRef> {
    return `local:${sha256}`;
  }

  async put(staged: StagedBlob): Promise<BlobRef> {
    const path = this.pathOf(staged.sha256);
    await Promise.all([makePrivateFolder(dirname(path)), staged.durable]);
    await rename(staged.path, path);
    await syncFolder(dirname(path));
    return this.refOf(staged);
  }

  async read(ref: BlobRef): Promise<Buffer> {
    return readFile(this.pathOf(keyOf(ref))).catch((error) => Promise.reject(asNotFound(error)));
  }

  async get(ref: BlobRef, range?: ByteRange): Promise<Readable> {
    const path = this.pathOf(keyOf(ref));
    await access(path).catch((error) => Promise.reject(asNotFound(error)));
    return createReadStream(path, range);
  }

  async stat(ref: BlobRef): Promise<BlobStat> {
    const sha256 = keyOf(ref);
    const { size } = await stat(this.pathOf(sha256)).catch((error) => Promise.reject(asNotFound(error)));
    return { size, sha256 };
  }

  async delete(ref: BlobRef): Promise<void> {
    await rm(this.pathOf(keyOf(ref)), { force: true });
  }

  async signedUrl(ref: BlobRef, download: SignedDownload): Promise<string> {
    keyOf(ref);
    return this.links.create(ref, download);
  }

  /** Nothing to sweep: blobs are renamed into place, and incomplete files belong to the staging area. */
  async sweep(): Promise<number> {
    return 0;
  }

  health(): Promise<void> {
    return assertWritable(this.dir);
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

const asNotFound = (error: NodeJS.ErrnoException): Error => (error.code === 'ENOENT' ? missing(error) : error);
