import type { Readable } from 'node:stream';
import type { ScanOutcome, VirusScanner } from '../virus-scanner.js';

/** No scanner: reports everything as `not_configured`, and nothing as clean. */
export class NoVirusScanner implements VirusScanner {
  readonly configured = false;

  async scan(source: Readable): Promise<ScanOutcome> {
    source.destroy();
    return { end: 'not_configured' };
  }

  async ping(): Promise<void> {}
}
