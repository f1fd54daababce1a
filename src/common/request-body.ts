import { PassThrough, pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request } from 'express';
import { AppError } from './app-error.js';

/** Requests whose client waits to be asked for the body. */
const unasked = new WeakMap<IncomingMessage, () => void>();

/**
 * For a request with `Expect: 100-continue`: asks the client for its body only when something is about to read it. A route
 * can therefore refuse the head first. Then the connection closes, because the client may send the body after all.
 */
export function holdBody(request: IncomingMessage, response: ServerResponse): void {
  const { shouldKeepAlive } = response;
  response.shouldKeepAlive = false;
  unasked.set(request, () => {
    response.shouldKeepAlive = shouldKeepAlive;
    response.writeContinue();
  });
}

function askForBody(request: IncomingMessage): void {
  unasked.get(request)?.();
  unasked.delete(request);
}

/** @throws AppError `unsupported` for a charset other than UTF-8: JSON has no other (RFC 8259, section 8.1) */
export function assertUtf8({ headers }: Pick<Request, 'headers'>): void {
  const [, charset] = /;\s*charset\s*=\s*"?([^\s";]{1,40})/i.exec(headers['content-type'] ?? '') ?? [];
  if (charset === undefined || /^utf-?8$/i.test(charset)) return;
  const message = `JSON is UTF-8: send it so, with charset=utf-8 or without a charset, not with charset=${charset}.`;
  throw new AppError('unsupported', 'UNSUPPORTED_MEDIA_TYPE', message);
}

/** The most bytes that the body of a request can turn out to have, up to `maxBytes`: as its head announces them. */
export function mostBytesOf({ headers }: Pick<Request, 'headers'>, maxBytes: number): number {
  const { 'content-length': length, 'content-encoding': encoding } = headers;
  return length === undefined || encoding !== undefined ? maxBytes : Math.min(Number(length), maxBytes);
}

/**
 * Reads a whole body into memory, unpacked.
 * @throws AppError what `refuse` makes, once there are more than `maxBytes`; the rest is then thrown away
 */
export async function readBody(request: Request, maxBytes: number, refuse: () => AppError): Promise<Buffer> {
  const packed = request.headers['content-encoding'] !== undefined;
  if (!packed && Number(request.headers['content-length'] ?? 0) > maxBytes) throw refuse();
  const source = packed ? unpackedBodyOf(request) : request;
  if (!packed) askForBody(request);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    source.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) return void chunks.push(chunk);
      chunks.length = 0;
      reject(refuse());
      if (packed) source.destroy();
    });
    source.once('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    // The request itself fails only when its client leaves.
    source.once('error', (error) => reject(packed ? error : notWhole()));
    source.once('close', () => reject(notWhole()));
    if (source.destroyed) reject(notWhole());
  });
}

/**
 * A request's body as a stream, for what is too large to be parsed in memory. It is a stream of its own: one that fails at the request
 * itself closes the connection.
 */
export function bodyOf(request: Request): Readable {
  askForBody(request);
  const body = request.pipe(new PassThrough());
  const endWithRequest = (): void => {
    if (request.complete) return;
    body.destroy(notWhole());
  };
  request.once('close', endWithRequest);
  // The client may have left while its identity was checked; no event reports that again.
  if (request.destroyed) setImmediate(endWithRequest);
  return body;
}

/**
 * A request's body, decoded by its `Content-Encoding` and passed through `stages`. An error in one of them ends the
 * stream.
 * @throws AppError `unsupported` for an unknown encoding. The stream ends with `invalid` if the body is not encoded as
 *   declared
 */
export function unpackedBodyOf(request: Request, ...stages: Transform[]): Readable {
  const encoding = request.headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (!Object.hasOwn(UNPACK, encoding)) {
    throw new AppError(
      'unsupported',
      'UNSUPPORTED_MEDIA_TYPE',
      'Send the body uncompressed, or encoded with gzip, br or deflate.',
    );
  }
  const unpacked = UNPACK[encoding]();
  // A decoder that cannot read its input destroys itself.
  const destroy = unpacked.destroy.bind(unpacked);
  unpacked.destroy = (error) => destroy(error && isUndecodable(error) ? notDecoded(encoding, error) : error);
  return pipeline([bodyOf(request), unpacked, ...stages], () => undefined) as unknown as Readable;
}

/** Brotli's own codes look like `ERR__ERROR_FORMAT_PADDING_1`. */
const isUndecodable = ({ code = '' }: NodeJS.ErrnoException): boolean => /^Z_|^ERR_.*ERROR_/.test(code);

const notDecoded = (encoding: string, cause: Error): AppError =>
  new AppError('invalid', 'MALFORMED_REQUEST', `The body is not valid ${encoding}: ${cause.message}.`, { cause });

/** Reads the rest of a refused body: a client reads the answer only after it has sent everything. */
export function discardBody(request: Request): void {
  request.unpipe();
  request.resume();
}

const notWhole = (): AppError => new AppError('invalid', 'MALFORMED_REQUEST', 'The body ended before it was whole.');

const UNPACK: Record<string, () => Transform> = {
  identity: () => new PassThrough(),
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};
