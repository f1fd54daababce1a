import { type NetConnectOpts, Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { socketAddress } from '../../common/socket-address.js';
import { DependencyFault } from '../../observability/index.js';
import type { ScanOutcome, VirusScanner } from '../virus-scanner.js';

export interface ClamdOptions {
  /** `tcp://host:port`, or `unix:///path` of its socket. */
  url: string;
  /** Of one scan, from the connection to the verdict, ms. */
  timeoutMs: number;
  /** Longer sources are not sent to their end. clamd has limits of its own: `StreamMaxLength`, `MaxFileSize`, `MaxScanSize`. */
  maxBytes: number;
}

/**
 * ClamAV's daemon, by its `INSTREAM` command: chunks behind their length, an empty one at the end, one line as answer.
 * A connection per scan; clamd closes it after the answer.
 *
 * Source: clamd(8), "COMMANDS".
 */
export class ClamdVirusScanner implements VirusScanner {
  readonly configured = true;
  private readonly address: NetConnectOpts;

  constructor(private readonly options: ClamdOptions) {
    this.address = socketAddress(options.url, DEFAULT_PORT);
  }

  async scan(source: Readable): Promise<ScanOutcome> {
    const sent = new Sent();
    let reply: string;
    try {
      reply = await this.converse(this.options.timeoutMs, async (socket) => {
        socket.write('zINSTREAM\0');
        await this.send(source, socket, sent);
      });
    } catch (error) {
      if (sent.failure) throw sent.failure;
      return { end: 'away', reason: (error as Error).message };
    } finally {
      source.destroy();
    }
    if (sent.failure) throw sent.failure;
    return verdict(reply, sent);
  }

  async ping(): Promise<void> {
    const timeoutMs = Math.min(PING_TIMEOUT_MS, this.options.timeoutMs);
    const reply = await this.converse(timeoutMs, async (socket) => void socket.write('zPING\0'));
    if (reply !== 'PONG') throw new Error(`clamd answered ${JSON.stringify(reply.slice(0, LONGEST_REPLY))}`);
  }

  /** Connects, lets `speak` say something, and answers what clamd replies, also when it replies and hangs up before. */
  private async converse(timeoutMs: number, speak: (socket: Socket) => Promise<void>): Promise<string> {
    const socket = new AttentiveSocket().connect(this.address);
    const deadline = setTimeout(
      () => socket.destroy(new DependencyFault(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      const reply = replyOf(socket);
      // clamd may hang up in the middle of a stream: then its reply decides, or that there is none.
      const spoken = speak(socket).catch(() => undefined);
      const answer = await reply;
      socket.destroy();
      await spoken;
      return answer;
    } finally {
      clearTimeout(deadline);
      socket.destroy();
    }
  }

  private async send(source: Readable, socket: Socket, sent: Sent): Promise<void> {
    const hangUp = (): void => void source.destroy();
    socket.once('close', hangUp);
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        sent.bytes += chunk.length;
        sent.tooMuch = sent.bytes > this.options.maxBytes;
        if (sent.tooMuch) break;
        if (!(await write(socket, lengthOf(chunk), chunk))) return;
      }
    } catch (error) {
      if (!socket.destroyed) {
        sent.failure = error as Error;
        socket.destroy(sent.failure);
      }
      return;
    } finally {
      socket.off('close', hangUp);
    }
    // Before the write, which may wait: clamd's answer to the end may be there, and the socket gone, when it returns.
    sent.complete = !sent.tooMuch && !socket.destroyed;
    await write(socket, END);
  }
}

/**
 * Hears the other end out: clamd answers and hangs up in the middle of a stream that is too long, and a write that fails for
 * it would destroy a plain socket, with the answer still unread. Here what is written to a deaf end is lost, and
 * the end of the reading is the end of the socket.
 */
class AttentiveSocket extends Socket {
  override _write(...[chunk, encoding, callback]: Parameters<Socket['_write']>): void {
    super._write(chunk, encoding, () => callback());
  }

  override _writev(...[chunks, callback]: Parameters<NonNullable<Socket['_writev']>>): void {
    super._writev?.(chunks, () => callback());
  }
}

/** How far a source has been passed on. */
class Sent {
  bytes = 0;
  /** All of it, and its end, while the other end listened. */
  complete = false;
  /** More than is scanned: the rest was left out. */
  tooMuch = false;
  /** What was wrong with the source, which is no fault of the scanner. */
  failure: Error | undefined;
}

const DEFAULT_PORT = 3310;
const PING_TIMEOUT_MS = 2000;
const END = Buffer.alloc(4);
const LONGEST_REPLY = 1000;

function lengthOf(chunk: Buffer): Buffer {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(chunk.length);
  return length;
}

/** @returns `false` when the other end has hung up */
async function write(socket: Socket, ...buffers: Buffer[]): Promise<boolean> {
  if (socket.destroyed) return false;
  socket.cork();
  let free = true;
  for (const buffer of buffers) free = socket.write(buffer);
  socket.uncork();
  if (!free) await drained(socket);
  return !socket.destroyed;
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      socket.off('drain', go).off('close', go);
      resolve();
    };
    socket.on('drain', go).on('close', go);
  });
}

/** What the other end says until NUL, or until it ends. @throws Error when the connection breaks without a word */
function replyOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      reply = (reply + text).slice(0, LONGEST_REPLY);
      const end = reply.indexOf('\0');
      if (end >= 0) resolve(reply.slice(0, end));
    });
    let failure: Error | undefined;
    socket.on('error', (error) => (failure = error));
    socket.on('close', () => {
      if (reply && !failure?.message.startsWith('no answer')) resolve(reply.trim());
      else reject(failure ?? new Error('clamd hung up without an answer'));
    });
  });
}

/** Whatever is no verdict leaves the bytes unscanned: an error of clamd's must never read as clean. */
function verdict(reply: string, { complete, tooMuch }: Sent): ScanOutcome {
  const found = /^stream: (.+) FOUND$/.exec(reply)?.[1];
  // With `AlertExceedsMax` clamd tells by this that it has not looked at everything.
  if (found?.startsWith('Heuristics.Limits.Exceeded') || /size limit exceeded/i.test(reply))
    return { end: 'too_large' };
  if (found) return { end: 'infected', signature: found };
  if (tooMuch) return { end: 'too_large' };
  if (reply === 'stream: OK' && complete) return { end: 'clean' };
  return { end: 'away', reason: `clamd answered ${JSON.stringify(reply)}` };
}
