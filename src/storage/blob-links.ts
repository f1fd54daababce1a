import { AppError } from '../common/app-error.js';
import { Signer } from '../common/signer.js';
import type { BlobRef, SignedDownload } from './blob-store.js';

/** The parameters in the query of a link. */
export interface BlobLink {
  /** Seconds since the epoch. */
  expires: number;
  filename: string;
  type: string;
  /** HMAC-SHA-256 over all other members, base64url. */
  signature: string;
}

/** Signed addresses for blobs whose store has no addresses. This server serves them to anyone who presents one. */
export class BlobLinks {
  private readonly signer: Signer;

  /** @param secret shared by all processes of the installation */
  constructor(secret: string) {
    this.signer = new Signer(secret, 'blob links');
  }

  /** @returns a path on this server */
  create(ref: BlobRef, { expiresInSeconds, filename, contentType }: SignedDownload): string {
    const link = { expires: Math.floor(Date.now() / 1000) + expiresInSeconds, filename, type: contentType };
    const signature = this.signer.sign(claimsOf(ref, link));
    const query = new URLSearchParams({ ...link, expires: String(link.expires), signature });
    return `/api/v1/blobs/${encodeURIComponent(ref)}?${query}`;
  }

  /** @throws AppError `forbidden` `LINK_INVALID` or `LINK_EXPIRED` */
  assertGood(ref: BlobRef, link: BlobLink): void {
    if (!this.signer.isGood(claimsOf(ref, link), link.signature)) {
      throw new AppError(
        'forbidden',
        'LINK_INVALID',
        'This address is invalid or was changed: request the download again.',
      );
    }
    if (link.expires * 1000 < Date.now()) {
      throw new AppError('forbidden', 'LINK_EXPIRED', 'This address has expired: request the download again.');
    }
  }
}

const claimsOf = (ref: BlobRef, { expires, filename, type }: Omit<BlobLink, 'signature'>): string =>
  JSON.stringify([ref, expires, filename, type]);
