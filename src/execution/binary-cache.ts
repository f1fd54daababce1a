import { createHash } from 'node:crypto';
import { AppError } from '../common/app-error.js';
import { traced } from '../observability/index.js';
import type { BlobStore } from '../storage/index.js';
import type { RunRequest } from './run.js';

/**
 * Agent binaries by hash, the most recently used ones up to `maxBytes`. Requests for a binary that is on its way share
 * one read. What storage delivers is hashed before it is used: a version is what its hash says and nothing else.
 */
export class BinaryCache {
  /** Least recently used first. */
  private readonly kept = new Map<string, Buffer>();
  private readonly loading = new Map<string, Promise<Buffer>>();
  private keptBytes = 0;

  constructor(
    private readonly store: Pick<BlobStore, 'read'>,
    private readonly maxBytes: number,
  ) {}

  /** @throws AppError `internal` `BLOB_CORRUPT` when the bytes do not have the hash, and whatever the store throws */
  async get(binary: RunRequest['binary']): Promise<Buffer> {
    const { sha256 } = binary;
    const kept = this.kept.get(sha256);
    if (kept) {
      this.kept.delete(sha256);
      this.kept.set(sha256, kept);
      return kept;
    }
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
    this.keep(sha256, bytes);
    return bytes;
  }

  private keep(sha256: string, bytes: Buffer): void {
    if (bytes.length > this.maxBytes) return;
    this.kept.set(sha256, bytes);
    this.keptBytes += bytes.length;
    for (const [oldest, { length }] of this.kept) {
      if (this.keptBytes <= this.maxBytes) break;
      this.kept.delete(oldest);
      this.keptBytes -= length;
    }
  }
}
