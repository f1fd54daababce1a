import { Readable } from 'node:stream';
import { CID } from 'multiformats/cid';
import type { ByteRange } from '../blob-store.js';
import type { IpfsNode } from '../ipfs-node.js';
import type { StagedBlob } from '../staging.js';
import { missing } from './blob-faults.js';
import { carOfFile, cidOfFile } from './ipfs-blocks.js';
import { away, KuboRpc, NodeFault } from './ipfs-kubo-rpc.js';

/**
 * An IPFS node run by the operator: Kubo, or another with the same RPC. A blob is stored if the node pins it.
 *
 * Files are imported as blocks (`dag/import`), not as files (`add`), so the node's own chunking cannot change the CID.
 * The node checks each block against its hash. Nothing is fetched from the network: only pinned content is read, and
 * the node has all of that.
 */
export class KuboIpfs implements IpfsNode {
  private readonly rpc: KuboRpc;

  /** @param apiUrl see `KuboRpc` */
  constructor(apiUrl: string, silenceTimeoutMs?: number) {
    this.rpc = new KuboRpc(apiUrl, silenceTimeoutMs);
  }

  async add({ path }: StagedBlob): Promise<string> {
    const root = await cidOfFile(path);
    const answer = await this.rpc
      .ask('dag/import', { 'pin-roots': 'true' }, carOfFile(path, root))
      .catch((error) => Promise.reject(asOutage(error)));
    const pinned = (answer as ImportLine[]).some(
      ({ Root }) => Root && !Root.PinErrorMsg && isSame(Root.Cid['/'], root),
    );
    if (!pinned) throw away(new Error(`not pinned: ${JSON.stringify(answer)}`));
    return root.toString();
  }

  async size(cid: string): Promise<number | undefined> {
    if (!(await this.isPinned(cid))) return undefined;
    const [stat] = await this.rpc
      .ask('files/stat', { arg: `/ipfs/${cid}`, offline: 'true' })
      .catch((error) => Promise.reject(asOutage(error)));
    return (stat as { Size: number }).Size;
  }

  async content(cid: string, range?: ByteRange): Promise<Readable> {
    const size = await this.size(cid);
    if (size === undefined) throw missing();
    const expected = range ? range.end - range.start + 1 : size;
    const part = range && { offset: String(range.start), length: String(expected) };
    const bytes = await this.rpc
      .stream('cat', { arg: cid, offline: 'true', ...part })
      .catch((error) => Promise.reject(asOutage(error)));
    return Readable.from(whole(bytes, expected), { objectMode: false });
  }

  async car(cid: string): Promise<Readable> {
    if (!(await this.isPinned(cid))) throw missing();
    return this.rpc
      .stream('dag/export', { arg: cid, offline: 'true' })
      .catch((error) => Promise.reject(asOutage(error)));
  }

  /** The node's own garbage collection removes the blocks. */
  async remove(cid: string): Promise<void> {
    await this.rpc.ask('pin/rm', { arg: cid }).catch((error) => {
      if (!isUnpinned(error)) throw asOutage(error);
    });
  }

  /** Nothing to sweep: an interrupted import has pinned nothing. */
  async sweep(): Promise<number> {
    return 0;
  }

  async health(): Promise<void> {
    await this.rpc.ask('version', {}).catch((error) => Promise.reject(asOutage(error)));
  }

  private async isPinned(cid: string): Promise<boolean> {
    try {
      await this.rpc.ask('pin/ls', { arg: cid, type: 'recursive' });
      return true;
    } catch (error) {
      if (isUnpinned(error)) return false;
      throw asOutage(error);
    }
  }
}

/** One line of the answer to `dag/import`. */
interface ImportLine {
  Root?: { Cid: { '/': string }; PinErrorMsg: string };
}

/** Compares CIDs, in any base that the node writes. */
const isSame = (text: string, cid: CID): boolean => CID.parse(text).equals(cid);

/** The RPC has no error codes; only the message says it. */
const isUnpinned = (error: unknown): boolean => error instanceof NodeFault && /not pinned/i.test(error.message);

const asOutage = (error: unknown): unknown => (error instanceof NodeFault ? away(error) : error);

/** Checks the length, because a node that fails half-way ends its answer as if it were complete. */
async function* whole(bytes: Readable, expected: number): AsyncGenerator<Buffer> {
  let count = 0;
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    count += chunk.length;
    yield chunk;
  }
  if (count !== expected) throw away(new Error(`${count} bytes instead of ${expected}`));
}
