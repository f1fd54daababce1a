import { createHmac, timingSafeEqual } from 'node:crypto';

/** Signs text that leaves this server and comes back, with HMAC-SHA-256. */
export class Signer {
  private readonly key: Buffer;

  /**
   * @param secret shared by all processes of the installation
   * @param purpose derives a key for this use, so that a signature for another use is never accepted
   */
  constructor(secret: string, purpose: string) {
    this.key = createHmac('sha256', secret).update(purpose).digest();
  }

  /** @returns base64url, 43 characters */
  sign(text: string): string {
    return this.digest(text).toString('base64url');
  }

  /** Takes constant time, whatever the signature is. */
  isGood(text: string, signature: string): boolean {
    const expected = this.digest(text);
    const given = Buffer.from(signature, 'base64url');
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  private digest(text: string): Buffer {
    return createHmac('sha256', this.key).update(text).digest();
  }
}
