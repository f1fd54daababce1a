import type { Readable } from 'node:stream';
import { AppError } from '../common/app-error.js';
import type { StorageDriver } from '../config/index.js';
import type { BlobRef, BlobStat, BlobStore, ByteRange, SignedDownload } from './blob-store.js';
import type { DepositBox } from './deposits.js';
import { measured } from './metrics.js';
import type { StagedBlob } from './staging.js';

/** Builds a driver when it is first needed; its client library is not loaded before. */
export type OpenDriver = () => BlobStore | Promise<BlobStore>;

/**
 * All stores of an installation as one: new blobs go to the configured driver, stored ones are read where their reference
 * says. So the driver can be changed at any time, and what was stored before stays readable.
 */
export class BlobStores implements BlobStore {
  /**
   * @param driver takes new blobs
   * @param drivers all that are configured
   */
  constructor(
    private readonly driver: StorageDriver,
    private readonly drivers: Partial<Record<StorageDriver, OpenDriver>>,
    private readonly opened = new Map<StorageDriver, Promise<BlobStore>>(),
  ) {}

  /** The same stores; but where new blobs would go to IPFS, which is public, they go to the bucket if there is one, else to a folder. */
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

  /** Of the driver that takes new blobs. */
  async depositBox(): Promise<DepositBox | undefined> {
    return (await this.current()).deposits;
  }

  /** Of the drivers that this process uses. */
  async sweep(olderThanMs: number): Promise<number> {
    await this.current();
    const swept = [...this.opened.values()].map(async (store) => (await store).sweep(olderThanMs));
    return (await Promise.all(swept)).reduce((sum, count) => sum + count, 0);
  }

  /** Of the drivers that take new blobs. */
  async health(): Promise<void> {
    await Promise.all(this.taking.map(async (name) => (await this.at(name)).health()));
  }

  /** The drivers that take new blobs: one, or another beside it for what is confidential. */
  get taking(): StorageDriver[] {
    return [...new Set([this.driver, this.confidential.driver])];
  }

  /** All that are configured. */
  get configured(): StorageDriver[] {
    return Object.keys(this.drivers) as StorageDriver[];
  }

  /** One of them. @throws AppError `internal` `STORAGE_MISCONFIGURED` when it is not configured */
  at(name: string): Promise<BlobStore> {
    const open = Object.hasOwn(this.drivers, name) ? this.drivers[name as StorageDriver] : undefined;
    if (open) return this.open(name as StorageDriver, open);
    const message = `This is in the store "${name}", which this server is not configured for.`;
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
