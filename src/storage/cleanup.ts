import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Recurring } from '../common/recurring.js';
import { StorageConfig } from '../config/index.js';
import { BlobLedger } from './blob-ledger.js';
import { BLOB_STORE, type BlobStore } from './blob-store.js';
import { Deposits } from './deposits.js';
import { Staging } from './staging.js';

/**
 * Removes leftovers of interrupted uploads, and stored bytes that are no longer needed. It runs at the start and then
 * at a long interval, in every process, because staged files are local to a machine. One process at a time removes
 * blobs.
 */
@Injectable()
export class Cleanup implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Cleanup');
  private readonly recurring: Recurring;

  constructor(
    private readonly ledger: BlobLedger,
    private readonly staging: Staging,
    private readonly deposits: Deposits,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    private readonly config: StorageConfig,
  ) {
    this.recurring = new Recurring(
      () => this.clean(),
      this.config.cleanupIntervalMs,
      ({ message }) => this.logger.warn(`put off: ${message}`),
    );
  }

  onApplicationBootstrap(): void {
    this.recurring.start(0);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.recurring.stop();
  }

  private async clean(): Promise<void> {
    const { cleanupGraceMs } = this.config;
    const staged = await this.staging.sweep(cleanupGraceMs);
    if (staged > 0) this.logger.log(`removed ${staged} files of interrupted uploads`);
    const removed = await this.ledger.collect(cleanupGraceMs);
    if (removed.length > 0) this.logger.log(`removed the bytes of ${removed.join(', ')}: no longer used`);
    const deposits = await this.deposits.sweep(cleanupGraceMs);
    if (deposits > 0) this.logger.log(`removed ${deposits} unused deposits`);
    const unfinished = await this.blobs.sweep(cleanupGraceMs);
    if (unfinished > 0) this.logger.log(`removed ${unfinished} half-stored blobs`);
  }
}
