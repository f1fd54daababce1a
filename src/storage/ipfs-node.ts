import type { Readable } from 'node:stream';
import type { ByteRange } from './blob-store.js';
import type { StagedBlob } from './staging.js';

/** PORT: what keeps the blocks of the IPFS driver. All content in it is public. */
export interface IpfsNode {
  /** Keeps a file and pins it. @returns its CID, which is that of `cidOfFile` */
  add(staged: StagedBlob): Promise<string>;

  /** @returns bytes, or undefined when this installation did not store such content */
  size(cid: string): Promise<number | undefined>;

  /** @param range unset: all of it @throws AppError `not_found` `BLOB_NOT_FOUND` */
  content(cid: string, range?: ByteRange): Promise<Readable>;

  /** The blocks as CAR file, version 1. @throws AppError `not_found` `BLOB_NOT_FOUND` */
  car(cid: string): Promise<Readable>;

  /** Unpins it; removes nothing that was not added. */
  remove(cid: string): Promise<void>;

  /** Removes what an `add` that died has left half done, and nobody has written to for so long. @returns how many */
  sweep(olderThanMs: number): Promise<number>;

  /** @throws AppError `unavailable` `STORAGE_AWAY`, `internal` `STORAGE_MISCONFIGURED` */
  health(): Promise<void>;
}

/** The one node of an installation; its libraries are loaded when it is first used. */
export type OpenIpfs = () => Promise<IpfsNode>;

export const OPEN_IPFS = Symbol('OpenIpfs');
