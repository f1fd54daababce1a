import type { Readable } from 'node:stream';

/**
 * PORT: where binaries live. Content-addressed: the same bytes have the same reference and are stored once.
 *
 * A blob is first *staged* (bytes on their way, or waiting for validation), then *committed* under the hash of its
 * content, or *discarded*. A crash between the two leaves at most a staged blob. References carry their driver's name
 * (`local:<sha256>`), so blobs stay readable after the driver is changed.
 *
 * Not part of the port: who may read a blob, what it is, how long it is kept.
 */
export interface BlobStore {
  /**
   * Streams bytes into a staged blob, counting and hashing on the way; memory use does not grow with the size.
   * @throws AppError `too_large` `BLOB_TOO_LARGE` past `maxBytes`; nothing stays behind, as on any error of the source
   */
  stage(source: Readable, maxBytes: number): Promise<StagedBlob>;

  /** Makes a staged blob permanent and durable, and answers its reference. Committing bytes already stored is a no-op. */
  commit(staged: StagedBlob): Promise<BlobRef>;

  /** Removes a staged blob; unknown or committed ones are ignored. */
  discard(staged: StagedBlob): Promise<void>;

  /** @throws AppError `not_found` `BLOB_NOT_FOUND` */
  read(ref: BlobRef): Promise<Buffer>;

  /** @throws AppError `not_found` `BLOB_NOT_FOUND` */
  open(ref: BlobRef): Promise<Readable>;

  exists(ref: BlobRef): Promise<boolean>;

  delete(ref: BlobRef): Promise<void>;
}

/** `<driver>:<key>`, such as `local:9f86d0…`. */
export type BlobRef = string;

export interface StagedBlob {
  /** Absolute path of a local file that holds the staged bytes, for validation and scanning before the commit. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export const BLOB_STORE = Symbol('BlobStore');
