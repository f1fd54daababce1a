import { createReadStream } from 'node:fs';
import { CarWriter } from '@ipld/car/writer';
import { importByteStream } from 'ipfs-unixfs-importer';
import { fixedSize } from 'ipfs-unixfs-importer/chunker';
import { balanced } from 'ipfs-unixfs-importer/layout';
import type { CID } from 'multiformats/cid';
import { changed } from './blob-faults.js';

/** How a file is cut into blocks. One file with one profile has one CID everywhere. */
export interface CuttingProfile {
  cidVersion: 0 | 1;
  /** Leaves are raw bytes, without an envelope. */
  rawLeaves: boolean;
  /** Size of a leaf, bytes. */
  chunkBytes: number;
  linksPerNode: number;
}

/** `ipfs add --cid-version=1 --raw-leaves --chunker=size-262144 --max-file-links=174`. */
export const PROFILE: CuttingProfile = { cidVersion: 1, rawLeaves: true, chunkBytes: 256 * 1024, linksPerNode: 174 };

export type OnBlock = (cid: CID, bytes: Uint8Array) => Promise<void>;

/** Pieces must not exceed a chunk: for each chunk, the importer copies the rest of a larger piece. */
const PIECE_BYTES = 256 * 1024;

/**
 * Cuts bytes into blocks, leaves before the nodes that link to them.
 * @param onBlock receives each block, one at a time
 * @returns the CID of the root
 */
export async function cut(source: AsyncIterable<Uint8Array>, profile: CuttingProfile, onBlock: OnBlock): Promise<CID> {
  const store = {
    async put(cid: CID, block: Uint8Array): Promise<CID> {
      await onBlock(cid, block);
      return cid;
    },
  };
  const { cid } = await importByteStream(source, store as Parameters<typeof importByteStream>[1], {
    cidVersion: profile.cidVersion,
    rawLeaves: profile.rawLeaves,
    reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: profile.chunkBytes }),
    layout: balanced({ maxChildrenPerNode: profile.linksPerNode }),
    blockWriteConcurrency: 1,
  });
  return cid;
}

/** The CID of a file, without storing anything. */
export const cidOfFile = (path: string): Promise<CID> => cut(piecesOf(path), PROFILE, async () => {});

/**
 * The blocks of a file as a CAR file (version 1), streamed.
 * @param root the file's CID, which comes first
 * @throws AppError `internal` `BLOB_CORRUPT` at the end, if the file's CID has changed
 */
export async function* carOfFile(path: string, root: CID): AsyncGenerator<Uint8Array> {
  const { writer, out } = CarWriter.create([root]);
  let wanted = true;
  const cutting = cut(piecesOf(path), PROFILE, async (cid, bytes) => {
    if (!wanted) throw new Error('the reader has left');
    await writer.put({ cid, bytes });
  }).finally(() => writer.close());
  cutting.catch(() => undefined);
  const pieces = out[Symbol.asyncIterator]();
  try {
    for (let piece = await pieces.next(); !piece.done; piece = await pieces.next()) yield piece.value;
    if (!(await cutting).equals(root)) throw changed();
  } finally {
    // A reader that stops early leaves the writer waiting and the file open.
    wanted = false;
    void drain(pieces);
  }
}

const piecesOf = (path: string): AsyncIterable<Uint8Array> => createReadStream(path, { highWaterMark: PIECE_BYTES });

async function drain(pieces: AsyncIterator<Uint8Array>): Promise<void> {
  while (!(await pieces.next()).done);
}
