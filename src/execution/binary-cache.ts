import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { AppError } from '../common/app-error.js';
import { traced } from '../observability/index.js';
import type { BlobStore } from '../storage/index.js';
import type { RunRequest } from './run.js';

/**
 * Agent binaries by hash, the most recently used ones up to `maxBytes`. Concurrent requests for a binary share one read.
 * The bytes are hashed before they are used, because a version is identified by its hash.
 */
export class BinaryCache {
  private readonly kept: LRUCache<string, Buffer>;
  private readonly loading = new Map<string, Promise<Buffer>>();

  constructor(
    private readonly store: Pick<BlobStore, 'read'>,
    maxBytes: number,
  ) {
    // The library takes neither a limit of 0 nor an entry of 0 bytes.
    const sizeCalculation = ({ length }: Buffer): number => Math.max(1, length);
    this.kept = new LRUCache({ maxSize: Math.max(1, maxBytes), sizeCalculation });
  }

  /** @throws AppError `internal` `BLOB_CORRUPT` when the bytes do not have the hash; errors of the store */
  async get(binary: RunRequest['binary']): Promise<Buffer> {
    const { sha256 } = binary;
    const kept = this.kept.get(sha256);
    if (kept) return kept;
    const loading =
      this.loading.get(sha256) ??
      traced('binary.load', {}, () => this.load(binary)).finally(() => this.loading.delete(sha256));
    this.loading.set(sha256, loading);
    return loading;
  }

  private async load({ sha256, ref }: RunRequest['binary']): Promise<Buffer> {
    const bytes = await this.store.read(ref);
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
      throw new AppError('internal', 'BLOB_CORRUPT', 'The stored binary of this agent version is damaged.');
    }
    this.kept.set(sha256, bytes);
    return bytes;
  }
}
