import type { Readable } from 'node:stream';

/** PORT: reports whether bytes contain known malware. `malware-scan.ts` acts on the answer. */
export interface VirusScanner {
  /** `false`: there is no scanner, and every scan ends as `not_configured`. */
  readonly configured: boolean;

  /**
   * Reads the source to its end, or stops it as soon as the answer is known; memory use does not grow with its size.
   * Never throws for what the scanner does or fails to do; an error of the source is thrown.
   */
  scan(source: Readable): Promise<ScanOutcome>;

  /** Resolves if the scanner would scan now. @throws Error why it would not */
  ping(): Promise<void>;
}

export type ScanOutcome =
  | { end: 'clean' }
  /** `signature` is the scanner's name for it. */
  | { end: 'infected'; signature: string }
  /** More bytes than the scanner looks at; it has not seen the end of them. */
  | { end: 'too_large' }
  /** It does not answer, not in time, or not with a verdict; `reason` is for the log. */
  | { end: 'away'; reason: string }
  | { end: 'not_configured' };

export const VIRUS_SCANNER = Symbol('VirusScanner');
