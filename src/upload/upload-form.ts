import { pipeline, type Readable, Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import type { Request } from 'express';
import { AppError } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import { bodyOf, discardBody, mostBytesOf } from '../common/request-body.js';
import type { StorageConfig } from '../config/index.js';
import type { StagedBlob, Staging } from '../storage/index.js';

const FILE_FIELD = 'wasm_binary';
const DEPOSIT_FIELD = 'deposit';
const UNREADABLE = '\ufffd';
/**
 * Buffer of the parser for one part, bytes: more than one chunk. If a part is no form field and has more than the
 * buffer, the parser waits forever for its end.
 */
const PART_BUFFER = 2 ** 20;

/** A parsed multipart body: its text fields, and its file in the staging area. */
export interface UploadForm {
  /** An array if the field came several times. */
  fields: Record<string, string | string[]>;
  /** The file; unset if a deposit is named instead. */
  staged?: StagedBlob;
  /** Token of a deposit; unset if there is a file. */
  deposit?: string;
}

/**
 * Reads a multipart body in one pass. The file is staged (counted, hashed, written) while it arrives, before, between
 * or after the other fields. On any failure nothing is left behind, and the rest of the body is read and discarded: a
 * client reads the answer only after it has sent everything.
 *
 * @throws AppError `unsupported`, `invalid` or `too_large`; `MALFORMED_REQUEST` also if the client disconnects
 */
export async function readUploadForm(request: Request, staging: Staging, limits: StorageConfig): Promise<UploadForm> {
  const parts: Parts = { fields: Object.create(null) };
  try {
    await feed(request, parserOf(request, parts, staging, limits), limits);
    const deposit = takeDeposit(parts.fields);
    if (parts.file && deposit) throw malformed([{ field: DEPOSIT_FIELD, message: 'cannot be combined with a file' }]);
    if (!parts.file && !deposit)
      throw malformed([{ field: FILE_FIELD, message: 'is missing: attach the binary, `-F wasm_binary=@my.wasm`' }]);
    return { fields: parts.fields, staged: await parts.file?.staged, deposit };
  } catch (error) {
    parts.file?.stream.destroy(error as Error);
    await parts.file?.staged.then((staged) => staging.discard(staged)).catch(() => undefined);
    throw asClientError(error);
  } finally {
    discardBody(request);
  }
}

/** What has been read of a body so far. */
interface Parts {
  fields: UploadForm['fields'];
  file?: { stream: Readable; staged: Promise<StagedBlob> };
}

/** @returns a parser that fills `parts`, and fails with what is wrong */
function parserOf(request: Request, parts: Parts, staging: Staging, limits: StorageConfig): BusboyInstance {
  const parser = openParser(request, limits);
  const stop = (reason: Error): void => void parser.destroy(reason);
  parser.on('field', (name, value, nameTruncated, valueTruncated) => {
    if (nameTruncated || valueTruncated) return stop(malformed([{ field: name, message: 'is too long' }]));
    // Busboy decodes other bytes to U+FFFD, and says nothing.
    if (`${name}${value}`.includes(UNREADABLE)) return stop(malformed([{ field: name, message: 'must be UTF-8' }]));
    const before = parts.fields[name];
    parts.fields[name] = before === undefined ? value : [before, value].flat();
  });
  parser.on('file', (name, stream) => {
    // A file that ends early fails even if it has no reader any more. An unhandled error would end the process.
    stream.on('error', () => undefined);
    if (name !== FILE_FIELD || parts.file) {
      stream.resume();
      const message = name === FILE_FIELD ? 'must come once' : `is not a file of this form; send ${FILE_FIELD}`;
      return stop(malformed([{ field: name, message }]));
    }
    const staged = staging.stage(stream, mostBytesOf(request, limits.maxBinaryBytes));
    staged.catch(stop);
    parts.file = { stream, staged };
  });
  for (const limit of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const) {
    parser.on(limit, () => stop(malformed([{ field: '', message: 'the form has too many parts' }])));
  }
  return parser;
}

/** It says where the file is, and is not a field of the card. */
function takeDeposit(fields: UploadForm['fields']): string | undefined {
  const { [DEPOSIT_FIELD]: deposit } = fields;
  delete fields[DEPOSIT_FIELD];
  if (Array.isArray(deposit)) throw malformed([{ field: DEPOSIT_FIELD, message: 'must come once' }]);
  return deposit;
}

function openParser(request: Request, limits: StorageConfig): BusboyInstance {
  const contentType = request.headers['content-type'] ?? '';
  if (!contentType.toLowerCase().startsWith('multipart/form-data')) {
    throw new AppError('unsupported', 'MULTIPART_EXPECTED', 'Send the form as multipart/form-data, as `curl -F` does.');
  }
  if (Number(request.headers['content-length'] ?? 0) > limits.maxFormBytes) throw formTooLarge(limits);
  return new Busboy({
    headers: { 'content-type': contentType },
    fileHwm: PART_BUFFER,
    limits: {
      fieldNameSize: 100,
      fieldSize: 64 * 1024,
      fields: 50,
      files: 2,
      parts: 60,
      fileSize: limits.maxFormBytes,
    },
  });
}

/**
 * The parser is not part of the pipeline. It may finish before its body ends, and the pipeline would then wait for an
 * end that is never read.
 */
async function feed(request: Request, parser: BusboyInstance, limits: StorageConfig): Promise<void> {
  const body = pipeline(bodyOf(request), atMost(limits), (error) => {
    if (error) parser.destroy(error);
  });
  await finished(body.pipe(parser));
}

/** A body of unknown length is cut off at the form's limit. */
function atMost(limits: StorageConfig): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > limits.maxFormBytes) return done(formTooLarge(limits));
      done(null, chunk);
    },
  });
}

const formTooLarge = (limits: StorageConfig): AppError =>
  new AppError('too_large', 'FORM_TOO_LARGE', `The form is larger than ${limits.maxFormBytes} bytes.`);

/** Storage faults are the server's; every other early end of a multipart stream is a fault of the body. */
function asClientError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code && /^E[A-Z]+$/.test(code) && code !== 'ECONNRESET') return error;
  return new AppError('invalid', 'MALFORMED_REQUEST', `The multipart body cannot be read: ${message}`);
}
