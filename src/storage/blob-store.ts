import type { Readable } from 'node:stream';
import type { DepositBox } from './deposits.js';
import type { StagedBlob } from './staging.js';

/**
 * PORT: where what is too large for a row lives: binaries of agents, documents of tasks. Content-addressed: the same bytes have the same reference and are stored once. Bytes come
 * from the staging area (see `Staging`), whole, counted and hashed. References carry their driver's name
 * (`local:<sha256>`), so blobs stay readable after the driver is changed.
 *
 * Not part of the port: who may read a blob, what it is, how long it is kept, and what becomes of the staged file.
 */
export interface BlobStore {
  /** The reference these bytes have, or will have once they are put. Stores nothing. */
  refOf(staged: StagedBlob): Promise<BlobRef>;

  /** Stores bytes durably, under `refOf` them. Putting bytes already stored is a no-op. May use the staged file up. */
  put(staged: StagedBlob): Promise<BlobRef>;

  /** @throws AppError `not_found` `BLOB_NOT_FOUND` */
  read(ref: BlobRef): Promise<Buffer>;

  /** @param range unset: all of it @throws AppError `not_found` `BLOB_NOT_FOUND` */
  get(ref: BlobRef, range?: ByteRange): Promise<Readable>;

  /** @throws AppError `not_found` `BLOB_NOT_FOUND` */
  stat(ref: BlobRef): Promise<BlobStat>;

  delete(ref: BlobRef): Promise<void>;

  /** An address that answers the blob to whoever has it, until it expires; relative to this server, or absolute. */
  signedUrl(ref: BlobRef, download: SignedDownload): Promise<string>;

  /** Removes what a `put` that died has left half done, and nobody has written to for so long. @returns how many */
  sweep(olderThanMs: number): Promise<number>;

  /** Where clients bring bytes by themselves; unset: the store has no such addresses. */
  readonly deposits?: DepositBox;

  /**
   * Resolves when the store can be used.
   * @throws AppError `unavailable` `STORAGE_AWAY`, or `internal` `STORAGE_MISCONFIGURED`: the operator has to act. Any
   *   other method throws these, too.
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
