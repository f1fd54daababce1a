import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import type { BlobRef, BlobStat, BlobStore, ByteRange } from './blob-store.js';

export interface ServedBlob extends BlobStat {
  ref: BlobRef;
  filename: string;
  contentType: string;
}

/** How long the address of a redirect works: enough to begin a download. Seconds. */
const ADDRESS_TTL = 300;

/**
 * Answers a blob: 304 if the client has it, 302 to its address, or its bytes.
 * @param redirect answer a redirect instead of the bytes
 * @returns the body that Nest sends
 */
export async function answerBlob(
  store: BlobStore,
  blob: ServedBlob,
  redirect: boolean,
  response: Response,
): Promise<StreamableFile | undefined> {
  // Addresses signed by a store allow GET only, not HEAD.
  if (!redirect || response.req.method === 'HEAD') return serveBlob(store, blob, response);
  if (isKnown(response, blob)) return undefined;
  response.status(302).location(await store.signedUrl(blob.ref, { ...blob, expiresInSeconds: ADDRESS_TTL }));
  return undefined;
}

/** Names the bytes by a permanent `ETag`: they never change. @returns whether the client already has them (304) */
function isKnown(response: Response, { sha256 }: BlobStat): boolean {
  const etag = `"${sha256}"`;
  response.set({ ETag: etag, 'Accept-Ranges': 'bytes', 'Cache-Control': 'private, no-cache' });
  // Express's `fresh` does not fit: it obeys `Cache-Control: no-cache`, which `fetch` adds and which is meant for
  // caches.
  const ifNoneMatch = response.req.headers['if-none-match'];
  const known = ifNoneMatch !== undefined && (ifNoneMatch.trim() === '*' || ifNoneMatch.includes(etag));
  if (known) response.status(304);
  return known;
}

/**
 * Answers a blob by RFC 9110: 304 if the client has it (`If-None-Match`), else its bytes or a `Range` of them.
 * @returns the body that Nest sends
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
 * The range that a request asks for. Undefined means all bytes. This applies if there is no range, several, a malformed
 * one, another unit, or one for other bytes (`If-Range`).
 * @throws AppError `out_of_range` if the range starts after the end
 */
function requestedRange(request: Request, response: Response, { sha256, size }: BlobStat): ByteRange | undefined {
  const { range, 'if-range': ifRange } = request.headers;
  if (range === undefined || (ifRange !== undefined && ifRange !== `"${sha256}"`)) return undefined;
  const asked = parseRanges(range, size);
  if (!asked) return undefined;
  const ranges = asked.filter(({ start }) => start < size).sort((a, b) => a.start - b.start);
  if (ranges.length === 0) {
    response.set('Content-Range', `bytes */${size}`);
    throw new AppError(
      'out_of_range',
      'RANGE_NOT_SATISFIABLE',
      `The file has ${size} bytes: request a range within them.`,
    );
  }
  const joined = { ...ranges[0] };
  for (const { start, end } of ranges) {
    if (start > joined.end + 1) return undefined;
    joined.end = Math.max(joined.end, end);
  }
  return joined;
}

/**
 * Express's `range` does not fit: it answers nothing for the last hundred bytes of fifty.
 * @returns undefined if the header is malformed or uses another unit
 */
function parseRanges(header: string, size: number): ByteRange[] | undefined {
  const specs = /^bytes=(.+)$/i.exec(header)?.[1].split(',');
  const ranges = specs?.map((spec) => parseRange(spec, size));
  return ranges?.includes(null) ? undefined : (ranges as ByteRange[] | undefined);
}

/** @returns null if the range is malformed */
function parseRange(spec: string, size: number): ByteRange | null {
  const [, first, last] = /^\s*(\d*)-(\d*)\s*$/.exec(spec) ?? ['', '', ''];
  if (first === '') return last === '' ? null : { start: Math.max(size - Number(last), 0), end: size - 1 };
  if (last === '') return { start: Number(first), end: size - 1 };
  return Number(last) < Number(first) ? null : { start: Number(first), end: Math.min(Number(last), size - 1) };
}

/**
 * Passes the bytes on and checks their number. If a store ended early, the client would take the next answer on its
 * connection for the rest. Waits for the first bytes, so that an immediate failure gets an error answer.
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
