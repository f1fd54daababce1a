import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { type AgentBinary, VersionScans } from '../agents/index.js';
import { Recurring } from '../common/recurring.js';
import type { Environment } from '../config/index.js';
import { BLOB_STORE, type BlobRef, type BlobStore } from '../storage/index.js';
import { MalwareScan, type ScanReport } from '../validation/index.js';

/**
 * Scans the versions that came in unscanned: while the scanner was away, or before there was one. Every process that
 * has a scanner looks for them now and then; each version is scanned by one of them.
 */
@Injectable()
export class LateScan implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('LateScan');
  private readonly recurring: Recurring;

  constructor(
    private readonly versions: VersionScans,
    private readonly malware: MalwareScan,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    config: ConfigService<Environment, true>,
  ) {
    this.recurring = new Recurring(
      (signal) => this.scanAll(signal),
      config.get('scanner', { infer: true }).rescanIntervalMs,
      ({ message }) => this.logger.warn(`Scanning versions put off: ${message}`),
    );
  }

  onApplicationBootstrap(): void {
    if (this.malware.configured) this.recurring.start(0);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.recurring.stop();
  }

  /** Until none is left, or until one cannot be scanned because the scanner is away. */
  private async scanAll(signal: AbortSignal): Promise<void> {
    let after = '';
    let scanned = 0;
    while (!signal.aborted) {
      const next = await this.versions.scanNext(after, (binary) => this.scan(binary));
      if (!next) break;
      if (next.verdict) scanned++;
      else if (!(await this.malware.available())) break;
      after = next.id;
    }
    if (scanned > 0) this.logger.log(`Scanned ${scanned} versions that had come in unscanned`);
  }

  /** A binary that cannot be read does not keep the others from being scanned. */
  private async scan(binary: AgentBinary): Promise<ScanReport | null> {
    try {
      return await this.malware.scanLater(await this.blobs.get(binary.storageRef as BlobRef));
    } catch (error) {
      this.logger.warn(`Version ${binary.id} cannot be read to be scanned: ${(error as Error).message}`);
      return null;
    }
  }
}
