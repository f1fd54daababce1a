import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type AgentBinary, VersionScans } from '../agents/index.js';
import { Recurring } from '../common/recurring.js';
import { ScannerConfig } from '../config/index.js';
import { inOneProcess } from '../database/index.js';
import { BLOB_STORE, type BlobRef, type BlobStore } from '../storage/index.js';
import { MalwareScan, type ScanReport } from '../validation/index.js';

/**
 * Scans versions that were uploaded unscanned, while the scanner was away or not configured. Every process with a
 * scanner looks for them at intervals; one of them works at a time.
 */
@Injectable()
export class LateScan implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('LateScan');
  private readonly recurring: Recurring;

  constructor(
    private readonly database: DataSource,
    private readonly versions: VersionScans,
    private readonly malware: MalwareScan,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    { rescanIntervalMs }: ScannerConfig,
  ) {
    this.recurring = new Recurring(
      (signal) => inOneProcess(this.database, 'lateScan', () => this.scanAll(signal)),
      rescanIntervalMs,
      ({ message }) => this.logger.warn(`Scanning of versions postponed: ${message}`),
    );
  }

  onApplicationBootstrap(): void {
    if (this.malware.configured) this.recurring.start(0);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.recurring.stop();
  }

  /** Scans until none is left, or until the scanner is away. */
  private async scanAll(signal: AbortSignal): Promise<void> {
    let after = '';
    let scanned = 0;
    while (!signal.aborted) {
      const binary = await this.versions.next(after);
      if (!binary) break;
      const verdict = await this.scan(binary);
      if (verdict) {
        await this.versions.record(binary.sha256, verdict);
        scanned++;
      } else if (!(await this.malware.available())) {
        break;
      }
      after = binary.id;
    }
    if (scanned > 0) this.logger.log(`Scanned ${scanned} versions that were uploaded unscanned`);
  }

  /** A binary that cannot be read does not stop the scan of the others. */
  private async scan(binary: AgentBinary): Promise<ScanReport | null> {
    try {
      return await this.malware.scanLater(await this.blobs.get(binary.storageRef as BlobRef));
    } catch (error) {
      this.logger.warn(`Version ${binary.id} cannot be read for scanning: ${(error as Error).message}`);
      return null;
    }
  }
}
