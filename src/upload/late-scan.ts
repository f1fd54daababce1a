import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { type AgentBinary, VersionScans } from '../agents/index.js';
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
  private readonly intervalMs: number;
  private clock: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly versions: VersionScans,
    private readonly malware: MalwareScan,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    config: ConfigService<Environment, true>,
  ) {
    this.intervalMs = config.get('scanner', { infer: true }).rescanIntervalMs;
  }

  onApplicationBootstrap(): void {
    if (!this.malware.configured) return;
    this.clock = setInterval(() => this.look(), this.intervalMs);
    this.look();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.clock);
    this.stopped = true;
    await this.round;
  }

  private look(): void {
    this.round ??= this.scanAll()
      .catch((error: Error) => this.logger.warn(`Scanning versions put off: ${error.message}`))
      .finally(() => (this.round = undefined));
  }

  /** Until none is left, or until one cannot be scanned because the scanner is away. */
  private async scanAll(): Promise<void> {
    let after = '';
    let scanned = 0;
    while (!this.stopped) {
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
