import { createHmac, timingSafeEqual } from 'node:crypto';
import { AppError } from '../common/app-error.js';
import type { BlobRef, SignedDownload } from './blob-store.js';

/** What a link says, as it stands in its query. */
export interface BlobLink {
  /** Seconds since the epoch. */
  expires: number;
  filename: string;
  type: string;
  /** HMAC-SHA-256 over all the rest, base64url. */
  signature: string;
}

/** Signed addresses of blobs that have none of their own: this server answers them to whoever has one. */
export class BlobLinks {
  private readonly key: Buffer;

  /** @param secret shared by all processes of the installation */
  constructor(secret: string) {
    // A key for this one use: a signature of something else can never be a link's.
    this.key = createHmac('sha256', secret).update('blob links').digest();
  }

  /** @returns a path on this server */
  create(ref: BlobRef, { expiresInSeconds, filename, contentType }: SignedDownload): string {
    const link = { expires: Math.floor(Date.now() / 1000) + expiresInSeconds, filename, type: contentType };
    const signature = this.sign(ref, link).toString('base64url');
    const query = new URLSearchParams({ ...link, expires: String(link.expires), signature });
    return `/api/v1/blobs/${encodeURIComponent(ref)}?${query}`;
  }

  /** @throws AppError `forbidden` `LINK_INVALID` or `LINK_EXPIRED` */
  assertGood(ref: BlobRef, link: BlobLink): void {
    const expected = this.sign(ref, link);
    const given = Buffer.from(link.signature, 'base64url');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new AppError('forbidden', 'LINK_INVALID', 'This address was not made by this server, or was changed.');
    }
    if (link.expires * 1000 < Date.now()) {
      throw new AppError('forbidden', 'LINK_EXPIRED', 'This address has expired: ask for the binary again.');
    }
  }

  private sign(ref: BlobRef, { expires, filename, type }: Omit<BlobLink, 'signature'>): Buffer {
    return createHmac('sha256', this.key)
      .update(JSON.stringify([ref, expires, filename, type]))
      .digest();
  }
}
