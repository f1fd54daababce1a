import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { VersionBlobs } from '../agents/index.js';
import type { Environment, StorageConfig } from '../config/index.js';
import { BLOB_STORE, type BlobStore, Deposits, Staging } from '../storage/index.js';

/**
 * Removes what uploads that died have left behind, and the bytes of retired versions that no task needs any more: at the
 * start and then on a slow clock, in every process that takes uploads. Blobs are removed by one process at a time;
 * staged files are each machine's own.
 */
@Injectable()
export class Cleanup implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Cleanup');
  private readonly config: StorageConfig;
  private clock: NodeJS.Timeout | undefined;
  private cleaning: Promise<void> | undefined;

  constructor(
    private readonly versionBlobs: VersionBlobs,
    private readonly staging: Staging,
    private readonly deposits: Deposits,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    config: ConfigService<Environment, true>,
  ) {
    this.config = config.get('storage', { infer: true });
  }

  onApplicationBootstrap(): void {
    this.clock = setInterval(() => this.begin(), this.config.cleanupIntervalMs);
    this.begin();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.clock);
    await this.cleaning;
  }

  private begin(): void {
    this.cleaning ??= this.clean()
      .catch((error: Error) => this.logger.warn(`put off: ${error.message}`))
      .finally(() => (this.cleaning = undefined));
  }

  private async clean(): Promise<void> {
    const { cleanupGraceMs } = this.config;
    const staged = await this.staging.sweep(cleanupGraceMs);
    if (staged > 0) this.logger.log(`removed ${staged} files of uploads that were broken off`);
    const removed = await this.versionBlobs.collect(cleanupGraceMs);
    if (removed.length > 0) this.logger.log(`removed the bytes of ${removed.join(', ')}: no version needs them`);
    const deposits = await this.deposits.sweep(cleanupGraceMs);
    if (deposits > 0) this.logger.log(`removed ${deposits} deposits that nobody has used`);
    const unfinished = await this.blobs.sweep(cleanupGraceMs);
    if (unfinished > 0) this.logger.log(`removed ${unfinished} half-stored binaries`);
  }
}
