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
 * What the parser keeps of a part, bytes: more than it is handed in one go. Of a part that is no field of a form it waits forever for
 * the end, if that comes with more than it keeps.
 */
const PART_BUFFER = 2 ** 20;

/** A multipart body as it was read: its text fields, and its file in the staging area. */
export interface UploadForm {
  /** A field that came several times is an array. */
  fields: Record<string, string | string[]>;
  /** The file; unset where a deposit is named instead. */
  staged?: StagedBlob;
  /** Token of a deposit; unset where there is a file. */
  deposit?: string;
}

/**
 * Reads a multipart body in one pass: the file is staged (counted, hashed, written) while it arrives, before, between
 * or after the other fields. When it fails for any reason, nothing stays behind, and the rest of the body is read and
 * thrown away: a client reads the answer once it has sent everything.
 *
 * @throws AppError `unsupported`, `invalid` or `too_large`; `MALFORMED_REQUEST` also when the client breaks off
 */
export async function readUploadForm(request: Request, staging: Staging, limits: StorageConfig): Promise<UploadForm> {
  const parts: Parts = { fields: Object.create(null) };
  try {
    await feed(request, parserOf(request, parts, staging, limits), limits);
    const deposit = takeDeposit(parts.fields);
    if (parts.file && deposit)
      throw malformed([{ field: DEPOSIT_FIELD, message: 'is instead of a file, not beside one' }]);
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

/** What has come of a body so far. */
interface Parts {
  fields: UploadForm['fields'];
  file?: { stream: Readable; staged: Promise<StagedBlob> };
}

/** @returns takes a body apart into `parts`, and fails with what is wrong with it */
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
    // A file that ends early fails, also one that nobody reads any more: unheard, that would end the process.
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

/** It says where the file is, and is no field of the card. */
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
 * The parser is no part of the pipeline: it may say that it has finished before its body has ended, and the pipeline would wait for
 * an end that nobody reads on to.
 */
async function feed(request: Request, parser: BusboyInstance, limits: StorageConfig): Promise<void> {
  const body = pipeline(bodyOf(request), atMost(limits), (error) => {
    if (error) parser.destroy(error);
  });
  await finished(body.pipe(parser));
}

/** Bodies of unknown length end where the form's limit is. */
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

/** Faults of storage are ours; everything else that ends a multipart stream early is the body's. */
function asClientError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code && /^E[A-Z]+$/.test(code) && code !== 'ECONNRESET') return error;
  return new AppError('invalid', 'MALFORMED_REQUEST', `The multipart body cannot be read: ${message}`);
}
