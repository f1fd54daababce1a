import type { FileHandle } from 'node:fs/promises';
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { Logger } from '@nestjs/common';
import { AppError } from '../common/app-error.js';
import { socketAddress } from '../common/socket-address.js';
import { DependencyFault, outageLog } from '../observability/index.js';
import { disbelief } from './believed.js';
import { LONGEST_ANSWER } from './checking-process.js';
import type { CheckOutcome, ModuleCheck } from './module-check.js';
import { CHECK_PATH, type CheckOrder, HEALTH_PATH, ORDER_HEADER, parseOutcome } from './validator-exchange.js';
import { VALIDATOR_PORT, type ValidatorAddress } from './validator-address.js';
import type { ModuleLimits } from './wasm/limits.js';

/** How long a module may wait behind those of other API processes, and be checked, ms. */
const CHECK_TIMEOUT_MS = 120_000;
const PING_TIMEOUT_MS = 2000;
/** Chunk size for reading the module, bytes. */
const PIECE = 512 * 1024;

/**
 * Hands modules to a validator process (`ROLES=validator`), which has no secret and no store. Its answer is believed as
 * little as that of a checking process.
 */
export class RemoteCheck implements ModuleCheck {
  /** The validator process measures its own. */
  readonly missing = [];
  private readonly logger = new Logger('Validator');
  private readonly logOutage = outageLog(this.logger, 'The validator is away');

  constructor(private readonly validator: ValidatorAddress) {}

  async run(binary: FileHandle, size: number, limits: ModuleLimits, owner: string): Promise<CheckOutcome> {
    const outcome = await this.order(binary, size, { owner, limits }).catch((error: Error) => {
      if (error instanceof UnreadableFile) throw error;
      this.logOutage(error);
      throw unavailable(error);
    });
    if (outcome.end !== 'answered') return outcome;
    const doubt = await disbelief(outcome.answer, binary, size, limits);
    return doubt ? { end: 'crashed', how: doubt } : outcome;
  }

  async ping(): Promise<void> {
    await this.ask(204, PING_TIMEOUT_MS, { method: 'GET', path: HEALTH_PATH });
  }

  async release(): Promise<void> {}

  private async order(binary: FileHandle, size: number, order: CheckOrder): Promise<CheckOutcome> {
    const headers = { [ORDER_HEADER]: JSON.stringify(order), 'content-length': String(size) };
    const text = await this.ask(
      200,
      CHECK_TIMEOUT_MS,
      { method: 'POST', path: CHECK_PATH, headers },
      (request, fail): void => {
        const body = Readable.from(piecesOf(binary, size), { objectMode: false });
        body.once('error', fail);
        request.once('close', () => body.destroy());
        body.pipe(request);
      },
    );
    const outcome = parseOutcome(text);
    if (!outcome)
      throw new DependencyFault('its answer is no outcome of a check: both processes must be of one release');
    return outcome;
  }

  /** @returns the body of the answer. @throws Error when another status is answered, or nothing in time */
  private ask(
    status: number,
    timeoutMs: number,
    { headers, ...target }: { method: string; path: string; headers?: Record<string, string> },
    send: (request: ClientRequest, fail: (error: Error) => void) => void = (request) => void request.end(),
  ): Promise<string> {
    const { url, secret } = this.validator;
    const address = socketAddress(url, VALIDATOR_PORT);
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        ...('path' in address ? { socketPath: address.path } : address),
        ...target,
        headers: { ...headers, ...(secret && { authorization: `Bearer ${secret}` }) },
        // A connection that is kept may be closed by the other end just when a module is sent, which cannot be sent twice.
        agent: false,
      });
      const deadline = setTimeout(
        () => request.destroy(new DependencyFault(`no answer within ${timeoutMs} ms`)),
        timeoutMs,
      );
      request.once('response', (response) => {
        if (response.statusCode === status) textOf(response).then(resolve, reject);
        else reject(new DependencyFault(refusal(response.statusCode)));
        if (response.statusCode !== status) request.destroy();
      });
      request.once('error', reject);
      request.once('close', () => clearTimeout(deadline));
      send(request, (error) => {
        reject(error);
        request.destroy();
      });
    });
  }
}

function refusal(status: number | undefined): string {
  if (status === 401) return 'it refuses the VALIDATOR_SECRET of this process';
  if (status === 413) return 'its MAX_BINARY_BYTES is below that of this process';
  return `it answered ${status}: both processes must be of one release`;
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LONGEST_ANSWER) throw new DependencyFault('its answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** @throws UnreadableFile */
async function* piecesOf(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  for (let position = 0; position < size;) {
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, size - position));
    const { bytesRead } = await file.read(piece, 0, piece.length, position).catch((cause: unknown) => {
      throw new UnreadableFile('the file cannot be read', { cause });
    });
    if (bytesRead === 0) throw new UnreadableFile(`the file has ${position} bytes, not ${size}`);
    position += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

/** A fault of this server, not of the validator. */
class UnreadableFile extends Error {}

const unavailable = (cause: Error): AppError =>
  new AppError(
    'unavailable',
    'VALIDATOR_UNAVAILABLE',
    'The binary cannot be validated now, and nothing was stored: upload it again in a minute.',
    { cause, retryAfter: RETRY_AFTER_S },
  );

const RETRY_AFTER_S = 60;
