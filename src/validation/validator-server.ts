import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { chmod, type FileHandle, open, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import pLimit from 'p-limit';
import { newId } from '../common/ids.js';
import { type SocketAddress, socketAddress } from '../common/socket-address.js';
import { describeMissing, type MissingWall } from '../common/walls.js';
import { StorageConfig, ValidationConfig } from '../config/index.js';
import { watchWalls } from '../confinement/index.js';
import { ConfinedCheck } from './confined-check.js';
import type { ModuleCheck } from './module-check.js';
import { moduleLimits } from './module-limits.js';
import { VALIDATOR_PORT, type ValidatorAddress } from './validator-address.js';
import { CHECK_PATH, type CheckOrder, HEALTH_PATH, ORDER_HEADER, parseOrder } from './validator-exchange.js';

/** Connections that wait for their turn, beyond those that are served; more are closed at once. */
const MOST_CONNECTIONS = 256;

/**
 * The work of a process with `ROLES=validator`: checks modules for API processes, in confined child processes. It has no
 * secret that is good elsewhere and no store, so native code that breaks out of a check finds none.
 */
@Injectable()
export class ValidatorServer implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('Validator');
  private readonly server = createServer((request, response) => void this.answer(request, response));
  private readonly limit = pLimit(availableParallelism());
  private readonly address: ValidatorAddress;
  private check: ModuleCheck;

  constructor(
    private readonly config: ValidationConfig,
    private readonly storage: StorageConfig,
  ) {
    this.address = config.validator!;
    this.server.maxConnections = MOST_CONNECTIONS;
  }

  async onModuleInit(): Promise<void> {
    this.check = await ConfinedCheck.prepare(this.config.engineTimeoutMs, availableParallelism());
    watchWalls('validation', this.missingWalls);
  }

  /** Walls around the checking processes that are missing on this machine; empty when there are all. */
  get missingWalls(): readonly MissingWall[] {
    return this.check.missing;
  }

  /** One line per missing wall, with the reason. */
  describe(): string[] {
    return this.missingWalls.map((missing) => `Binaries are checked without: ${describeMissing(missing)}`);
  }

  /** @returns the address it listens on. @throws Error that names `VALIDATOR_URL` when it cannot be used */
  async listen(): Promise<string> {
    const address = socketAddress(this.address.url, VALIDATOR_PORT);
    try {
      if ('path' in address) await removeAbandoned(address.path);
      this.server.listen(address);
      await once(this.server, 'listening');
      // For the group: API processes run as other users than this one.
      if ('path' in address) await chmod(address.path, 0o660);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new Error(`VALIDATOR_URL ${this.address.url} cannot be listened on (${code ?? message}): set another.`, {
        cause: error,
      });
    }
    return describeAddress(address, this.server.address());
  }

  /** Checks that are under way end first. */
  async onApplicationShutdown(): Promise<void> {
    if (this.server.listening) {
      const closed = once(this.server, 'close');
      this.server.close();
      this.server.closeIdleConnections();
      await closed;
    }
    await this.check?.release();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, body = '' } = await this.handle(request);
      // The rest of a body that is refused is not read.
      response.writeHead(status, { 'Content-Type': 'application/json', ...(status >= 400 && { Connection: 'close' }) });
      response.end(body);
    } catch (error) {
      if (!request.complete) return void request.destroy();
      this.logger.error(`A check failed: ${(error as Error).stack}`);
      response.writeHead(503, { Connection: 'close' }).end();
    }
  }

  private async handle(request: IncomingMessage): Promise<{ status: number; body?: string }> {
    if (!this.isAllowed(request.headers.authorization)) return { status: 401 };
    if (request.method === 'GET' && request.url === HEALTH_PATH) return { status: 204 };
    if (request.method !== 'POST' || request.url !== CHECK_PATH) return { status: 404 };
    const size = Number(request.headers['content-length']);
    if (!(size <= this.storage.maxBinaryBytes)) return { status: 413 };
    let order: CheckOrder;
    try {
      order = parseOrder(request.headers[ORDER_HEADER], moduleLimits(this.config));
    } catch {
      return { status: 400 };
    }
    return this.limit(async () => {
      const binary = await spool(request, size);
      try {
        const outcome = await this.check.run(binary, size, order.limits, order.owner);
        if (outcome.end === 'crashed')
          this.logger.warn(`The check of a binary of ${order.owner} crashed: ${outcome.how}`);
        return { status: 200, body: JSON.stringify(outcome) };
      } finally {
        await binary.close();
      }
    });
  }

  private isAllowed(authorization = ''): boolean {
    const { secret } = this.address;
    return secret === undefined || timingSafeEqual(digest(authorization), digest(`Bearer ${secret}`));
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Writes a body into a temporary file that has no name any more: a checking process must not wait for a slow network.
 * @throws Error when the body ends early
 */
async function spool(body: IncomingMessage, size: number): Promise<FileHandle> {
  const path = join(tmpdir(), `zerostate-module-${newId()}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await rm(path);
    let position = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) position += (await file.write(chunk)).bytesWritten;
    if (position !== size) throw new Error(`the body has ${position} bytes, not ${size}`);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Removes the socket of a process that was killed. One that another process listens on stays. */
async function removeAbandoned(path: string): Promise<void> {
  const socket = connect(path);
  const code = await new Promise<string | undefined>((resolve) => {
    socket.once('connect', () => resolve(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  socket.destroy();
  if (code === 'ECONNREFUSED') await rm(path);
}

const describeAddress = (wanted: SocketAddress, taken: AddressInfo | string | null): string =>
  'path' in wanted ? `unix://${wanted.path}` : `tcp://${wanted.host}:${(taken as AddressInfo).port}`;
