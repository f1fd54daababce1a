import { createReadStream } from 'node:fs';
import { importByteStream } from 'ipfs-unixfs-importer';
import { fixedSize } from 'ipfs-unixfs-importer/chunker';
import { balanced } from 'ipfs-unixfs-importer/layout';
import type { CID } from 'multiformats/cid';

/** As Kubo cuts files. */
const CHUNK_BYTES = 256 * 1024;
const LINKS_PER_NODE = 174;

export type OnBlock = (cid: CID, bytes: Uint8Array) => Promise<void>;

/**
 * Cuts a file into the blocks that `ipfs add --cid-version=1 --raw-leaves` makes of it, leaves before what links to them.
 * @param onBlock takes each of them; one at a time
 * @returns the CID of the whole
 */
export async function cut(path: string, onBlock: OnBlock): Promise<CID> {
  const store = {
    async put(cid: CID, block: Uint8Array): Promise<CID> {
      await onBlock(cid, block);
      return cid;
    },
  };
  // Pieces no larger than a chunk: the importer copies what is left of a larger one for every chunk it takes.
  const source = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const { cid } = await importByteStream(source, store as Parameters<typeof importByteStream>[1], {
    cidVersion: 1,
    rawLeaves: true,
    reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: CHUNK_BYTES }),
    layout: balanced({ maxChildrenPerNode: LINKS_PER_NODE }),
    blockWriteConcurrency: 1,
  });
  return cid;
}

/** The CID of a file, without storing anything. */
export const cidOfFile = async (path: string): Promise<string> => (await cut(path, async () => {})).toString();
