import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Recurring } from '../common/recurring.js';
import type { Environment, StorageConfig } from '../config/index.js';
import { BlobLedger } from './blob-ledger.js';
import { BLOB_STORE, type BlobStore } from './blob-store.js';
import { Deposits } from './deposits.js';
import { Staging } from './staging.js';

/**
 * Removes what uploads that died have left behind, and stored bytes that nobody needs any more: at the start and then on
 * a slow clock, in every process, for staged files are each machine's own. Blobs are removed by one process at a time.
 */
@Injectable()
export class Cleanup implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Cleanup');
  private readonly config: StorageConfig;
  private readonly recurring: Recurring;

  constructor(
    private readonly ledger: BlobLedger,
    private readonly staging: Staging,
    private readonly deposits: Deposits,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    config: ConfigService<Environment, true>,
  ) {
    this.config = config.get('storage', { infer: true });
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
    if (staged > 0) this.logger.log(`removed ${staged} files of uploads that were broken off`);
    const removed = await this.ledger.collect(cleanupGraceMs);
    if (removed.length > 0) this.logger.log(`removed the bytes of ${removed.join(', ')}: nobody needs them`);
    const deposits = await this.deposits.sweep(cleanupGraceMs);
    if (deposits > 0) this.logger.log(`removed ${deposits} deposits that nobody has used`);
    const unfinished = await this.blobs.sweep(cleanupGraceMs);
    if (unfinished > 0) this.logger.log(`removed ${unfinished} half-stored blobs`);
  }
}
