import { createHmac, timingSafeEqual } from 'node:crypto';

/** Signs claims that leave this server and come back, with HMAC-SHA-256. */
export class Signer {
  private readonly key: Buffer;

  /**
   * @param secret shared by all processes of the installation
   * @param purpose derives a key for this use, so that a signature for another use is never accepted
   */
  constructor(secret: string, purpose: string) {
    this.key = createHmac('sha256', secret).update(purpose).digest();
  }

  /** @returns base64url */
  sign(claims: readonly unknown[]): string {
    return this.digest(claims).toString('base64url');
  }

  /** Takes constant time, whatever the signature is. */
  isGood(claims: readonly unknown[], signature: string): boolean {
    const expected = this.digest(claims);
    const given = Buffer.from(signature, 'base64url');
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  private digest(claims: readonly unknown[]): Buffer {
    return createHmac('sha256', this.key).update(JSON.stringify(claims)).digest();
  }
}
