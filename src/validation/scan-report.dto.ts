import { ApiTime } from '../common/api-schema.js';

/** What is known of malware in a binary. */
export class ScanReport {
  /**
   * `clean`: scanned, nothing found. `infected`: something was found later, and the version is out of use. `unscanned`:
   * the scanner was away; it is scanned as soon as it is back. `not_configured`: this server has no scanner.
   */
  status: 'clean' | 'infected' | 'unscanned' | 'not_configured';

  /**
   * The scanner's name for what it found; null when it found nothing.
   * @example null
   */
  signature: string | null;

  /** When it was scanned; null when it was not. */
  @ApiTime()
  scanned_at: string | null;
}
