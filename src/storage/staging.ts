import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../common/app-error.js';
import { newId } from '../common/ids.js';
import type { FreeDisk } from '../observability/index.js';
import { makePrivateFolder } from './private-folder.js';
import { removeStale } from './stale-files.js';

/** Complete bytes on their way into a blob store. */
export interface StagedBlob {
  /** Absolute path of the local file, for validation and scanning before it is stored. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Settles once the file is on disk. Code that keeps the file must await it. */
  readonly durable: Promise<void>;
}

/**
 * Holds bytes from outside until it is decided what happens to them: files in a folder of this machine. A crash leaves
 * at most such a file, which `sweep` removes.
 */
export class Staging {
  /** @param disk the space that is left for files in `dir`; unset: any */
  constructor(
    private readonly dir: string,
    private readonly disk?: Pick<FreeDisk, 'reserve'>,
  ) {}

  /**
   * Streams bytes into a file, counting and hashing on the way; memory use does not grow with the size.
   * @param source a function is called once there is room for the file
   * @throws AppError `too_large` `BLOB_TOO_LARGE` past `maxBytes`, `full` `DISK_FULL` before anything is read. Nothing stays
   *   behind, as on any error of the source
   */
  async stage(source: Readable | (() => Readable), maxBytes: number): Promise<StagedBlob> {
    const release = this.disk?.reserve(maxBytes);
    try {
      return await this.write(typeof source === 'function' ? source() : source, maxBytes);
    } finally {
      release?.();
    }
  }

  private async write(source: Readable, maxBytes: number): Promise<StagedBlob> {
    const path = join(this.dir, newId());
    await makePrivateFolder(this.dir);
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
    // Open the file before anything can fail. A pipeline gives up without waiting for a file that is being opened,
    // which would then be created after it was removed.
    const file = await open(path, 'wx', 0o600);
    try {
      await pipeline(source, measure, file.createWriteStream());
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    // Flush to disk while the bytes are being checked.
    const durable = flush(path);
    durable.catch(() => undefined);
    return { path, size, sha256: hash.digest('hex'), durable };
  }

  /** Removes the file, unless it is gone already. */
  async discard({ path }: Pick<StagedBlob, 'path'>): Promise<void> {
    await rm(path, { force: true });
  }

  /** Removes files that were last written longer ago than this. @returns how many */
  sweep(olderThanMs: number): Promise<number> {
    return removeStale(this.dir, olderThanMs);
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  await file.datasync().finally(() => file.close());
}

const tooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', 'BLOB_TOO_LARGE', `The binary is larger than ${maxBytes} bytes.`);
