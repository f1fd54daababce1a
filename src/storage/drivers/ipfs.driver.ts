import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { CID } from 'multiformats/cid';
import { AppError } from '../../common/app-error.js';
import type { BlobRef, BlobStat, BlobStore, ByteRange, SignedDownload } from '../blob-store.js';
import type { IpfsNode } from '../ipfs-node.js';
import type { StagedBlob } from '../staging.js';
import { missing } from './blob-faults.js';
import { cidOfFile } from './ipfs-blocks.js';

/**
 * Blobs in IPFS: `ipfs:<cid>:<sha256>`. A CID is a hash of blocks, not of bytes, so the reference holds both hashes.
 * IPFS content is public: its addresses neither expire nor are secret.
 */
export class IpfsBlobStore implements BlobStore {
  /** @param gatewayUrl unset: this server's own route answers content by CID */
  constructor(
    private readonly node: IpfsNode,
    private readonly gatewayUrl?: string,
  ) {}

  async refOf({ path, sha256 }: StagedBlob): Promise<BlobRef> {
    return `ipfs:${await cidOfFile(path)}:${sha256}`;
  }

  async put(staged: StagedBlob): Promise<BlobRef> {
    return `ipfs:${await this.node.add(staged)}:${staged.sha256}`;
  }

  async read(ref: BlobRef): Promise<Buffer> {
    return buffer(await this.get(ref));
  }

  async get(ref: BlobRef, range?: ByteRange): Promise<Readable> {
    return this.node.content(parse(ref).cid, range);
  }

  async stat(ref: BlobRef): Promise<BlobStat> {
    const { cid, sha256 } = parse(ref);
    const size = await this.node.size(cid);
    if (size === undefined) throw missing();
    return { size, sha256 };
  }

  async delete(ref: BlobRef): Promise<void> {
    await this.node.remove(parse(ref).cid);
  }

  async signedUrl(ref: BlobRef, { filename }: SignedDownload): Promise<string> {
    const { cid } = parse(ref);
    const query = new URLSearchParams({ filename });
    return this.gatewayUrl ? `${this.gatewayUrl}/ipfs/${cid}?${query}` : `/api/v1/ipfs/${cid}?${query}`;
  }

  sweep(olderThanMs: number): Promise<number> {
    return this.node.sweep(olderThanMs);
  }

  health(): Promise<void> {
    return this.node.health();
  }
}

function parse(ref: BlobRef): { cid: string; sha256: string } {
  const match = /^ipfs:([a-z2-7]{59}):([0-9a-f]{64})$/.exec(ref);
  if (!match || !isCid(match[1])) {
    throw new AppError('internal', 'BLOB_REF_UNKNOWN', `Not a reference of the IPFS blob store: ${ref}`);
  }
  return { cid: match[1], sha256: match[2] };
}

function isCid(text: string): boolean {
  try {
    return CID.parse(text).version === 1;
  } catch {
    return false;
  }
}
