import type { Readable } from 'node:stream';
import type { DepositBox } from './deposits.js';
import type { StagedBlob } from './staging.js';

/**
 * PORT: stores what is too large for a row: agent binaries and task documents. It is content-addressed: identical bytes
 * have one reference and are stored once. Bytes come from the staging area (see `Staging`), complete, counted and
 * hashed. References carry their driver's name (`local:<sha256>`), so blobs stay readable after the driver changes.
 *
 * Not part of the port: access rights, the meaning of a blob, retention, and the staged file.
 */
export interface BlobStore {
  /** The reference of these bytes, before or after `put`. Stores nothing. */
  refOf(staged: StagedBlob): Promise<BlobRef>;

  /** Stores bytes durably under their `refOf`. Storing them again is a no-op. May consume the staged file. */
  put(staged: StagedBlob): Promise<BlobRef>;

  /** @throws AppError `not_found` `BLOB_NOT_FOUND` */
  read(ref: BlobRef): Promise<Buffer>;

  /** @param range unset: all of it @throws AppError `not_found` `BLOB_NOT_FOUND` */
  get(ref: BlobRef, range?: ByteRange): Promise<Readable>;

  /** @throws AppError `not_found` `BLOB_NOT_FOUND` */
  stat(ref: BlobRef): Promise<BlobStat>;

  delete(ref: BlobRef): Promise<void>;

  /** An address that serves the blob to its holder until it expires. Relative to this server, or absolute. */
  signedUrl(ref: BlobRef, download: SignedDownload): Promise<string>;

  /** Removes leftovers of interrupted `put`s that were last written longer ago than this. @returns how many */
  sweep(olderThanMs: number): Promise<number>;

  /** Where clients upload bytes directly. Unset if the store has no such addresses. */
  readonly deposits?: DepositBox;

  /**
   * Resolves when the store can be used.
   * @throws AppError `unavailable` `STORAGE_AWAY`, or `internal` `STORAGE_MISCONFIGURED` when the operator must act.
   *   Every other method can throw these too.
   */
  health(): Promise<void>;
}

/** `<driver>:<key>`, such as `local:9f86d0…`. */
export type BlobRef = string;

/** Offsets of the first and the last byte. */
export interface ByteRange {
  start: number;
  end: number;
}

export interface BlobStat {
  /** Bytes. */
  size: number;
  /** Lower-case hex. */
  sha256: string;
}

export interface SignedDownload {
  expiresInSeconds: number;
  /** Letters, digits and `._+-`. */
  filename: string;
  contentType: string;
}

export const BLOB_STORE = Symbol('BlobStore');
