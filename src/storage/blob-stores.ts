import type { Readable } from 'node:stream';
import { AppError } from '../common/app-error.js';
import type { StorageDriver } from '../config/index.js';
import type { BlobRef, BlobStat, BlobStore, ByteRange, SignedDownload } from './blob-store.js';
import type { DepositBox } from './deposits.js';
import { measured } from './metrics.js';
import type { StagedBlob } from './staging.js';

/** Builds a driver on first use, so that its client library is loaded only then. */
export type OpenDriver = () => BlobStore | Promise<BlobStore>;

/**
 * Combines all stores of an installation. New blobs go to the configured driver; stored ones are read from the driver
 * in their reference. The driver can therefore change at any time.
 */
export class BlobStores implements BlobStore {
  /**
   * @param driver the driver for new blobs
   * @param drivers all configured drivers
   */
  constructor(
    private readonly driver: StorageDriver,
    private readonly drivers: Partial<Record<StorageDriver, OpenDriver>>,
    private readonly opened = new Map<StorageDriver, Promise<BlobStore>>(),
  ) {}

  /**
   * The same stores for confidential blobs. If new blobs would go to IPFS, which is public, these go to the bucket or
   * else to a folder.
   */
  get confidential(): BlobStores {
    if (this.driver !== 'ipfs') return this;
    return new BlobStores(this.drivers.s3 ? 's3' : 'local', this.drivers, this.opened);
  }

  async refOf(staged: StagedBlob): Promise<BlobRef> {
    return (await this.current()).refOf(staged);
  }

  async put(staged: StagedBlob): Promise<BlobRef> {
    return (await this.current()).put(staged);
  }

  async read(ref: BlobRef): Promise<Buffer> {
    return (await this.of(ref)).read(ref);
  }

  async get(ref: BlobRef, range?: ByteRange): Promise<Readable> {
    return (await this.of(ref)).get(ref, range);
  }

  async stat(ref: BlobRef): Promise<BlobStat> {
    return (await this.of(ref)).stat(ref);
  }

  async delete(ref: BlobRef): Promise<void> {
    return (await this.of(ref)).delete(ref);
  }

  async signedUrl(ref: BlobRef, download: SignedDownload): Promise<string> {
    return (await this.of(ref)).signedUrl(ref, download);
  }

  /** The deposit box of the driver for new blobs. */
  async depositBox(): Promise<DepositBox | undefined> {
    return (await this.current()).deposits;
  }

  /** Sweeps the drivers that this process uses. */
  async sweep(olderThanMs: number): Promise<number> {
    await this.current();
    const swept = [...this.opened.values()].map(async (store) => (await store).sweep(olderThanMs));
    return (await Promise.all(swept)).reduce((sum, count) => sum + count, 0);
  }

  /** Checks the drivers for new blobs. */
  async health(): Promise<void> {
    await Promise.all(this.taking.map(async (name) => (await this.at(name)).health()));
  }

  /** The drivers for new blobs: one, or a second one for confidential blobs. */
  get taking(): StorageDriver[] {
    return [...new Set([this.driver, this.confidential.driver])];
  }

  get configured(): StorageDriver[] {
    return Object.keys(this.drivers) as StorageDriver[];
  }

  /** @throws AppError `internal` `STORAGE_MISCONFIGURED` when the driver is not configured */
  at(name: string): Promise<BlobStore> {
    const open = Object.hasOwn(this.drivers, name) ? this.drivers[name as StorageDriver] : undefined;
    if (open) return this.open(name as StorageDriver, open);
    const message = `The bytes are in the store "${name}", which is not configured on this server.`;
    return Promise.reject(new AppError('internal', 'STORAGE_MISCONFIGURED', message));
  }

  private current(): Promise<BlobStore> {
    return this.at(this.driver);
  }

  private of(ref: BlobRef): Promise<BlobStore> {
    return this.at(driverOf(ref));
  }

  private open(name: StorageDriver, open: OpenDriver): Promise<BlobStore> {
    const opened = this.opened.get(name) ?? Promise.resolve(open()).then((store) => measured(name, store));
    this.opened.set(name, opened);
    return opened;
  }
}

const driverOf = (ref: BlobRef): string => ref.slice(0, Math.max(ref.indexOf(':'), 0));
