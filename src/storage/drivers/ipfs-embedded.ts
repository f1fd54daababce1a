import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { CarIndexedReader } from '@ipld/car/indexed-reader';
import { exporter } from 'ipfs-unixfs-exporter';
import { CID } from 'multiformats/cid';
import { newId } from '../../common/ids.js';
import type { ByteRange } from '../blob-store.js';
import type { IpfsNode } from '../ipfs-node.js';
import type { StagedBlob } from '../staging.js';
import { makePrivateFolder } from '../private-folder.js';
import { removeStale } from '../stale-files.js';
import { missing } from './blob-faults.js';
import { assertWritable, syncFolder } from './folder.js';
import { carOfFile, cidOfFile } from './ipfs-blocks.js';

/**
 * An IPFS node without a network. The blocks of each file are in one CAR file, `<dir>/<cid>.car`. One file per pin
 * makes adding and removing atomic. No block has two owners, so no garbage collection is needed.
 */
export class EmbeddedIpfs implements IpfsNode {
  constructor(private readonly dir: string) {}

  async add({ path }: StagedBlob): Promise<string> {
    const root = await cidOfFile(path);
    const draft = join(this.dir, `${newId()}${DRAFT}`);
    await makePrivateFolder(this.dir);
    // Open the file before anything can fail: a pipeline that gives up early would create it after it was removed.
    const file = await open(draft, 'wx');
    try {
      await pipeline(carOfFile(path, root), file.createWriteStream({ flush: true }));
      await rename(draft, this.pathOf(root.toString()));
      await syncFolder(this.dir);
    } finally {
      await rm(draft, { force: true });
    }
    return root.toString();
  }

  async size(cid: string): Promise<number | undefined> {
    const blocks = await this.open(cid);
    if (!blocks) return undefined;
    return blocks.root.then(({ size }) => Number(size)).finally(() => blocks.close());
  }

  async content(cid: string, range?: ByteRange): Promise<Readable> {
    const blocks = await this.open(cid);
    if (!blocks) throw missing();
    const part = range && { offset: range.start, length: range.end - range.start + 1 };
    const root = await blocks.root.catch(async (error) => {
      await blocks.close();
      throw error;
    });
    const stream = Readable.from(root.content({ ...part, blockReadConcurrency: 1 }), { objectMode: false });
    finished(stream)
      .catch(() => undefined)
      .finally(() => blocks.close());
    return stream;
  }

  async car(cid: string): Promise<Readable> {
    await stat(this.pathOf(cid)).catch((error) => Promise.reject(error.code === 'ENOENT' ? missing() : error));
    return createReadStream(this.pathOf(cid));
  }

  async remove(cid: string): Promise<void> {
    await rm(this.pathOf(cid), { force: true });
  }

  sweep(olderThanMs: number): Promise<number> {
    return removeStale(this.dir, olderThanMs, (name) => name.endsWith(DRAFT));
  }

  health(): Promise<void> {
    return assertWritable(this.dir);
  }

  private async open(cid: string) {
    const reader = await CarIndexedReader.fromFile(this.pathOf(cid)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (!reader) return undefined;
    const store = {
      async *get(key: CID): AsyncGenerator<Uint8Array> {
        const block = await reader.get(key);
        if (!block) throw missing();
        yield block.bytes;
      },
    };
    return { root: rootFile(cid, store), close: () => reader.close() };
  }

  private pathOf(cid: string): string {
    return join(this.dir, `${cid}.car`);
  }
}

async function rootFile(cid: string, store: Parameters<typeof exporter>[1]) {
  const root = await exporter(cid, store);
  if (root.type !== 'file' && root.type !== 'raw') throw missing();
  return root;
}

/** Suffix of a file that is not complete yet. */
const DRAFT = '.draft';
