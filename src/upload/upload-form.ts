import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import type { Request } from 'express';
import { AppError } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import type { StorageConfig } from '../config/index.js';
import type { StagedBlob, Staging } from '../storage/index.js';

const FILE_FIELD = 'wasm_binary';
const DEPOSIT_FIELD = 'deposit';

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
  const contentType = request.headers['content-type'] ?? '';
  if (!contentType.startsWith('multipart/form-data')) {
    throw new AppError('unsupported', 'MULTIPART_EXPECTED', 'Send the form as multipart/form-data, as `curl -F` does.');
  }
  if (Number(request.headers['content-length'] ?? 0) > limits.maxFormBytes) throw formTooLarge(limits);

  const fields: UploadForm['fields'] = Object.create(null);
  let file: { stream: Readable; staged: Promise<StagedBlob> } | undefined;
  const parser = openParser(contentType, limits);
  const stop = (reason: Error): void => void parser.destroy(reason);
  parser.on('field', (name, value, nameTruncated, valueTruncated) => {
    if (nameTruncated || valueTruncated) return stop(malformed([{ field: name, message: 'is too long' }]));
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  });
  parser.on('file', (name, stream) => {
    // A file that ends early fails, also one that nobody reads any more: unheard, that would end the process.
    stream.on('error', () => undefined);
    if (name !== FILE_FIELD || file) {
      stream.resume();
      const message = name === FILE_FIELD ? 'must come once' : `is not a file of this form; send ${FILE_FIELD}`;
      return stop(malformed([{ field: name, message }]));
    }
    const staged = staging.stage(stream, limits.maxBinaryBytes);
    staged.catch(stop);
    file = { stream, staged };
  });
  for (const limit of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const) {
    parser.on(limit, () => stop(malformed([{ field: '', message: 'the form has too many parts' }])));
  }

  try {
    await feed(request, parser, limits);
    const deposit = takeDeposit(fields);
    if (file && deposit) throw malformed([{ field: DEPOSIT_FIELD, message: 'is instead of a file, not beside one' }]);
    if (!file && !deposit)
      throw malformed([{ field: FILE_FIELD, message: 'is missing: attach the binary, `-F wasm_binary=@my.wasm`' }]);
    return { fields, staged: await file?.staged, deposit };
  } catch (error) {
    request.unpipe(parser);
    request.resume();
    file?.stream.destroy(error as Error);
    await file?.staged.then((staged) => staging.discard(staged)).catch(() => undefined);
    throw asClientError(error);
  }
}

/** It says where the file is, and is no field of the card. */
function takeDeposit(fields: UploadForm['fields']): string | undefined {
  const { [DEPOSIT_FIELD]: deposit } = fields;
  delete fields[DEPOSIT_FIELD];
  if (Array.isArray(deposit)) throw malformed([{ field: DEPOSIT_FIELD, message: 'must come once' }]);
  return deposit;
}

function openParser(contentType: string, limits: StorageConfig): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: {
        fieldNameSize: 100,
        fieldSize: 64 * 1024,
        fields: 50,
        files: 2,
        parts: 60,
        fileSize: limits.maxFormBytes,
      },
    });
  } catch (error) {
    throw asClientError(error);
  }
}

/** A pipeline would destroy the request when the parser fails, and the connection with it. */
async function feed(request: Request, parser: BusboyInstance, limits: StorageConfig): Promise<void> {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    // Bodies of unknown length end where the form's limit is.
    if (bytes > limits.maxFormBytes) parser.destroy(formTooLarge(limits));
  });
  request.on('error', (error) => parser.destroy(error));
  request.pipe(parser);
  // The client may have left while it was found out who it is, and that is not told again.
  if (request.destroyed && !request.complete) parser.destroy(new Error('it ended before it was whole'));
  await finished(parser);
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
