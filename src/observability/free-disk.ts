import { statfs } from 'node:fs/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { diskFull } from '../common/disk-full.js';
import { ServerConfig } from '../config/index.js';
import { DependencyFault } from './dependency-fault.js';
import { Health } from './health.js';
import { gauge } from './metrics.js';

/** How often the disk is looked at, ms. */
const LOOK_MS = 1000;

/**
 * The free space of the disk that holds the data folder: staged uploads, local blobs and the embedded PostgreSQL. PostgreSQL
 * stops when its disk is full, so the server refuses to store anything new while some space is left.
 */
@Injectable()
export class FreeDisk implements OnApplicationShutdown {
  private readonly logger = new Logger('Disk');
  private readonly folder: string;
  private readonly least: number;
  private readonly clock: NodeJS.Timeout;
  /** Bytes; unknown until the first look, and where the system does not say. */
  private free: number | undefined;
  /** Bytes of bodies that may still arrive. */
  private expected = 0;
  private wasLow = false;

  constructor(health: Health, { dataDir, minFreeDiskBytes }: ServerConfig) {
    this.folder = dataDir;
    this.least = minFreeDiskBytes;
    // A process without room still serves what is there.
    health.register('disk', () => this.check(), { required: false });
    gauge('disk_free_bytes', 'Free bytes of the disk that holds the data folder.', [], () =>
      this.free === undefined ? [] : this.free,
    );
    gauge('disk_reserved_bytes', 'MIN_FREE_DISK_BYTES: below it nothing new is stored.', [], () => this.least);
    this.clock = setInterval(() => void this.look(), LOOK_MS).unref();
    void this.look();
  }

  /** Whether nothing new may be stored. */
  get isLow(): boolean {
    return !this.hasRoom(0);
  }

  /** @throws AppError `full` `DISK_FULL` while the disk is short of space */
  assertRoom(): void {
    if (this.isLow) throw diskFull();
  }

  /**
   * Sets space aside for a body before it is read, so that bodies which arrive together do not use up the same space.
   * @returns ends the reservation
   * @throws AppError `full` `DISK_FULL`
   */
  reserve(bytes: number): () => void {
    if (!this.hasRoom(bytes)) throw diskFull();
    this.expected += bytes;
    let reserved = true;
    return () => {
      if (reserved) this.expected -= bytes;
      reserved = false;
    };
  }

  onApplicationShutdown(): void {
    clearInterval(this.clock);
  }

  /** Bytes that an ordinary user may use, which are less than what is free. */
  protected async read(folder: string): Promise<number> {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  }

  private hasRoom(bytes: number): boolean {
    if (this.least === 0 || this.free === undefined) return true;
    return this.free - this.expected - bytes >= this.least;
  }

  /** As the disk is now, whatever may still arrive. */
  private get isShort(): boolean {
    return this.least > 0 && this.free !== undefined && this.free < this.least;
  }

  private async check(): Promise<void> {
    await this.look();
    if (this.free === undefined) throw new DependencyFault('free space unknown');
    if (this.isShort) throw new DependencyFault(`less than ${this.least} bytes free (MIN_FREE_DISK_BYTES)`);
  }

  private async look(): Promise<void> {
    try {
      this.free = await this.read(this.folder);
    } catch {
      this.free = undefined;
    }
    this.report();
  }

  /** Once for each change. */
  private report(): void {
    const low = this.isShort;
    if (low === this.wasLow) return;
    this.wasLow = low;
    if (low) {
      this.logger.error(
        `${this.folder} has ${this.free} bytes free, MIN_FREE_DISK_BYTES is ${this.least}: nothing new is stored and ` +
          'no task is started until there is more.',
      );
    } else this.logger.log(`${this.folder} has room again: tasks and uploads are taken.`);
  }
}
