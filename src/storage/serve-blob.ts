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
  return new StreamableFile(await store.get(ref, range), { type, length, disposition });
}

/**
 * The one range a request asks for. Undefined, which means all of it, for none, for several, for one that is malformed,
 * and for one of other bytes than these (`If-Range`).
 * @throws HttpException 416 for one that begins past the end
 */
function requestedRange(request: Request, response: Response, { sha256, size }: BlobStat): ByteRange | undefined {
  const ifRange = request.headers['if-range'];
  if (ifRange !== undefined && ifRange !== `"${sha256}"`) return undefined;
  const ranges = request.range(size, { combine: true });
  if (ranges === UNSATISFIABLE) {
    response.set('Content-Range', `bytes */${size}`);
    throw new HttpException(`There are ${size} bytes: ask for a range within them.`, 416);
  }
  return Array.isArray(ranges) && ranges.type === 'bytes' && ranges.length === 1 ? ranges[0] : undefined;
}

/** As Express says it. */
const UNSATISFIABLE = -1;
