import type { Readable } from 'node:stream';
import type { ByteRange } from './blob-store.js';
import type { StagedBlob } from './staging.js';

/** PORT: stores the blocks of the IPFS driver. All its content is public. */
export interface IpfsNode {
  /** Stores a file and pins it. @returns its CID, equal to that of `cidOfFile` */
  add(staged: StagedBlob): Promise<string>;

  /** @returns bytes, or undefined if this installation did not store the content */
  size(cid: string): Promise<number | undefined>;

  /** @param range unset: all bytes @throws AppError `not_found` `BLOB_NOT_FOUND` */
  content(cid: string, range?: ByteRange): Promise<Readable>;

  /** The blocks as a CAR file, version 1. @throws AppError `not_found` `BLOB_NOT_FOUND` */
  car(cid: string): Promise<Readable>;

  /** Unpins the content. Removes only content that was added. */
  remove(cid: string): Promise<void>;

  /** Removes leftovers of interrupted `add`s that were last written longer ago than this. @returns how many */
  sweep(olderThanMs: number): Promise<number>;

  /** @throws AppError `unavailable` `STORAGE_AWAY`, `internal` `STORAGE_MISCONFIGURED` */
  health(): Promise<void>;
}

/** Opens the one node of an installation. Its libraries are loaded on first use. */
export type OpenIpfs = () => Promise<IpfsNode>;

export const OPEN_IPFS = Symbol('OpenIpfs');
