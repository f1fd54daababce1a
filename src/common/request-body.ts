import { PassThrough, pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Request } from 'express';
import { AppError } from './app-error.js';

/**
 * A request's body as a stream, for what is too large to be parsed in memory. Of its own, since who fails at reading the request
 * itself closes the connection.
 */
export function bodyOf(request: Request): Readable {
  const body = request.pipe(new PassThrough());
  const endWithRequest = (): void => {
    if (request.complete) return;
    body.destroy(new AppError('invalid', 'MALFORMED_REQUEST', 'The body ended before it was whole.'));
  };
  request.once('close', endWithRequest);
  // The client may have left while it was found out who it is, and that is not told again.
  if (request.destroyed) setImmediate(endWithRequest);
  return body;
}

/**
 * The same, unpacked as its `Content-Encoding` says, and passed through `stages`. What one of them throws, the stream ends with.
 * @throws AppError `unsupported` for an encoding nobody knows; the stream ends with `invalid` when the body is not encoded so
 */
export function unpackedBodyOf(request: Request, ...stages: Transform[]): Readable {
  const encoding = request.headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (!Object.hasOwn(UNPACK, encoding)) {
    throw new AppError(
      'unsupported',
      'UNSUPPORTED_MEDIA_TYPE',
      'Send the body as it is, or packed by gzip, br or deflate.',
    );
  }
  const unpacked = UNPACK[encoding]();
  unpacked.once('error', (error: NodeJS.ErrnoException) => {
    // Brotli's own are such as `ERR__ERROR_FORMAT_PADDING_1`.
    if (/^Z_|^ERR_.*ERROR_/.test(error.code ?? '')) Object.assign(error, { status: 400, expose: true });
  });
  return pipeline([bodyOf(request), unpacked, ...stages], () => undefined) as unknown as Readable;
}

/** Reads the rest of a body that is refused: a client reads the answer once it has sent everything. */
export function discardBody(request: Request): void {
  request.unpipe();
  request.resume();
}

const UNPACK: Record<string, () => Transform> = {
  identity: () => new PassThrough(),
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};
