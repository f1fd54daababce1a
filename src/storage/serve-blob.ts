import { Readable } from 'node:stream';
import { HttpException, StreamableFile } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { BlobRef, BlobStat, BlobStore, ByteRange } from './blob-store.js';

export interface ServedBlob extends BlobStat {
  ref: BlobRef;
  filename: string;
  contentType: string;
}

/** How long the address of a redirect works. Enough to begin a download, seconds. */
const ADDRESS_TTL = 300;

/**
 * Answers a blob: 304 to who has it, 302 to where it is, or its bytes.
 * @param redirect answer an address that has the bytes, instead of the bytes
 * @returns what Nest is to send as body
 */
export async function answerBlob(
  store: BlobStore,
  blob: ServedBlob,
  redirect: boolean,
  response: Response,
): Promise<StreamableFile | undefined> {
  // Addresses that a store has signed are good for reading, not for asking about.
  if (!redirect || response.req.method === 'HEAD') return serveBlob(store, blob, response);
  if (isKnown(response, blob)) return undefined;
  response.status(302).location(await store.signedUrl(blob.ref, { ...blob, expiresInSeconds: ADDRESS_TTL }));
  return undefined;
}

/** Names the bytes for good: they never change. @returns whether the client says that it has them, which makes it a 304 */
function isKnown(response: Response, { sha256 }: BlobStat): boolean {
  const etag = `"${sha256}"`;
  response.set({ ETag: etag, 'Accept-Ranges': 'bytes', 'Cache-Control': 'private, no-cache' });
  // Not Express's `fresh`: that yields to `Cache-Control: no-cache`, which `fetch` adds and which speaks to caches alone.
  const ifNoneMatch = response.req.headers['if-none-match'];
  const known = ifNoneMatch !== undefined && (ifNoneMatch.trim() === '*' || ifNoneMatch.includes(etag));
  if (known) response.status(304);
  return known;
}

/**
 * Answers a blob by the rules of RFC 9110: 304 to who has it (`If-None-Match`), else its bytes, all or a `Range` of them.
 * @returns what Nest is to send as body
 */
export async function serveBlob(
  store: Pick<BlobStore, 'get'>,
  blob: ServedBlob,
  response: Response,
): Promise<StreamableFile | undefined> {
  if (isKnown(response, blob)) return undefined;
  const { ref, size, contentType: type, filename } = blob;
  const range = requestedRange(response.req, response, blob);
  const length = range ? range.end - range.start + 1 : size;
  if (range) response.status(206).set('Content-Range', `bytes ${range.start}-${range.end}/${size}`);
  const disposition = `attachment; filename="${filename}"`;
  if (response.req.method === 'HEAD') {
    response.set({ 'Content-Type': type, 'Content-Length': String(length), 'Content-Disposition': disposition });
    return undefined;
  }
  return new StreamableFile(await whole(await store.get(ref, range), length, ref), { type, length, disposition });
}

/**
 * The one range a request asks for. Undefined, which means all of it, for none, for several, for one that is malformed or of another
 * unit, and for one of other bytes than these (`If-Range`).
 * @throws HttpException 416 for one that begins past the end
 */
function requestedRange(request: Request, response: Response, { sha256, size }: BlobStat): ByteRange | undefined {
  const { range, 'if-range': ifRange } = request.headers;
  if (range === undefined || (ifRange !== undefined && ifRange !== `"${sha256}"`)) return undefined;
  const asked = parseRanges(range, size);
  if (!asked) return undefined;
  const ranges = asked.filter(({ start }) => start < size).sort((a, b) => a.start - b.start);
  if (ranges.length === 0) {
    response.set('Content-Range', `bytes */${size}`);
    throw new HttpException(`There are ${size} bytes: ask for a range within them.`, 416);
  }
  const joined = { ...ranges[0] };
  for (const { start, end } of ranges) {
    if (start > joined.end + 1) return undefined;
    joined.end = Math.max(joined.end, end);
  }
  return joined;
}

/**
 * Not Express's `range`: to that, the last hundred bytes of fifty are none.
 * @returns none when the header is malformed, or counts in another unit
 */
function parseRanges(header: string, size: number): ByteRange[] | undefined {
  const specs = /^bytes=(.+)$/i.exec(header)?.[1].split(',');
  const ranges = specs?.map((spec) => parseRange(spec, size));
  return ranges?.includes(null) ? undefined : (ranges as ByteRange[] | undefined);
}

/** @returns null for one that is malformed */
function parseRange(spec: string, size: number): ByteRange | null {
  const [, first, last] = /^\s*(\d*)-(\d*)\s*$/.exec(spec) ?? ['', '', ''];
  if (first === '') return last === '' ? null : { start: Math.max(size - Number(last), 0), end: size - 1 };
  if (last === '') return { start: Number(first), end: size - 1 };
  return Number(last) < Number(first) ? null : { start: Number(first), end: Math.min(Number(last), size - 1) };
}

/**
 * The same bytes, as many as were promised: of a store that ends too early, the client would take the next answer of its connection for
 * the rest. The first of them are awaited: what fails at once is answered as such.
 */
async function whole(bytes: Readable, length: number, ref: BlobRef): Promise<Readable> {
  const pieces = counted(bytes, length, ref);
  const first = await pieces.next();
  const all = Readable.from(beginningWith(first, pieces), { objectMode: false });
  return all.once('close', () => bytes.destroy());
}

async function* counted(bytes: Readable, length: number, ref: BlobRef): AsyncGenerator<Buffer, void> {
  let count = 0;
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    count += chunk.length;
    yield chunk;
  }
  if (count !== length) throw new Error(`${ref} ended after ${count} bytes of ${length}`);
}

async function* beginningWith(
  first: IteratorResult<Buffer, void>,
  rest: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}
