import type { ChildProcess } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import { AppError } from '../common/app-error.js';
import { describeEnd, killConfined } from '../confinement/index.js';
import { type CheckAnswer, requestFrame } from './check/exchange.js';
import { disbelief } from './believed.js';
import type { CheckOutcome } from './module-check.js';
import { parseAnswer } from './parse-answer.js';
import type { ModuleLimits } from './wasm/limits.js';

/** The limits on names and counts keep an answer below half of this. */
export const LONGEST_ANSWER = 12_000_000;
const KEPT_STDERR = 8000;
/** Chunk size for reading and passing on, bytes. */
const PIECE = 512 * 1024;

/** The server's end of one checking process: one module at a time goes in, one line comes out. */
export class CheckingProcess {
  /** Modules it has been given. */
  checks = 0;
  /** The owner of its modules, from the first one on. */
  owner?: string;
  /** Resolves once the process is gone. */
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>;
  private readonly answers: Lines;
  private readonly complaint: () => string;

  /** @param child as the confinement spawned it: three pipes, unless it never started */
  constructor(private readonly child: ChildProcess) {
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve([code, signal]));
    });
    child.on('error', () => undefined); // told by `started`
    child.stdin?.on('error', () => undefined);
    this.answers = new Lines(child.stdout, LONGEST_ANSWER, () => this.kill());
    this.complaint = beginningOf(child.stderr, KEPT_STDERR);
  }

  /** Whether the system has started it. */
  get started(): boolean {
    return this.child.pid !== undefined;
  }

  /**
   * @param binary open for reading; it is passed on piece by piece
   * @param size its bytes
   * @throws AppError `unavailable` `VALIDATOR_UNAVAILABLE` when the process could not be started
   */
  async check(binary: FileHandle, size: number, limits: ModuleLimits, timeoutMs: number): Promise<CheckOutcome> {
    if (!this.started) throw unavailable();
    this.checks++;
    let timedOut = false;
    const deadline = setTimeout(() => {
      timedOut = true;
      this.kill();
    }, timeoutMs);
    try {
      const line = this.answers.next();
      this.child.stdin!.write(requestFrame({ size, limits }));
      await passOn(binary, size, this.child.stdin!);
      const said = await Promise.race([line, this.ended.then(() => line.soFar())]);
      const answer = said.endsWith('\n') ? await this.believed(said, binary, size, limits) : undefined;
      if (typeof answer === 'object') return { end: 'answered', answer };
      this.kill();
      if (answer) return { end: 'crashed', how: answer };
      const [code, signal] = await this.ended;
      if (timedOut) return { end: 'timed_out', afterMs: timeoutMs };
      return { end: 'crashed', how: `${describeEnd(code, signal)}, ${gist(this.complaint())}` };
    } catch (error) {
      this.kill();
      throw error;
    } finally {
      clearTimeout(deadline);
    }
  }

  /** @returns the answer, or why it cannot be one: native code that broke out in the process speaks for it */
  private async believed(
    line: string,
    binary: FileHandle,
    size: number,
    limits: ModuleLimits,
  ): Promise<CheckAnswer | string> {
    try {
      const answer = parseAnswer(line);
      return (await disbelief(answer, binary, size, limits)) ?? answer;
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof z.ZodError) return 'it sent no answer of a check';
      throw error;
    }
  }

  kill(): void {
    killConfined(this.child);
  }
}

/**
 * Writes a file into a pipe: by turns through two buffers, since new ones for every piece cost more than the copying.
 * When the process dies before it reads everything, its exit says so.
 * @throws Error when the file cannot be read
 */
async function passOn(file: FileHandle, size: number, pipe: Writable): Promise<void> {
  const piece = Math.min(PIECE, size);
  let [buffer, other] = [Buffer.allocUnsafeSlow(piece), Buffer.allocUnsafeSlow(piece)];
  let written: Promise<boolean> = Promise.resolve(true);
  for (let position = 0; position < size;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(PIECE, size - position), position);
    if (!(await written)) return;
    if (bytesRead === 0) throw new Error(`the file has ${position} bytes, not ${size}`);
    position += bytesRead;
    const filled = buffer.subarray(0, bytesRead);
    written = new Promise((resolve) => pipe.write(filled, (error) => resolve(!error)));
    [buffer, other] = [other, buffer];
  }
  await written;
}

/** The lines of a stream, one at a time. */
class Lines {
  private chunks: Buffer[] = [];
  private size = 0;
  private take: (line: string) => void = () => undefined;

  constructor(stream: Readable | null, limit: number, onExcess: () => void) {
    stream?.on('data', (chunk: Buffer) => {
      this.size += chunk.length;
      if (this.size > limit) return onExcess();
      this.chunks.push(chunk);
      if (chunk.at(-1) === NEWLINE) this.take(this.text());
    });
  }

  next(): Promise<string> & { soFar(): string } {
    this.chunks = [];
    this.size = 0;
    const line = new Promise<string>((resolve) => (this.take = resolve));
    return Object.assign(line, { soFar: () => this.text() });
  }

  private text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

const NEWLINE = 10;

/** Keeps the first `limit` bytes of a stream and drains the rest. */
function beginningOf(stream: Readable | null, limit: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString();
}

/** The line of a crash report that names the error. */
const gist = (report: string): string => /^.*error.*$/im.exec(report)?.[0] ?? 'nothing on standard error';

/** The machine is out of processes or descriptors, which is not the module's doing. */
const unavailable = (): AppError =>
  new AppError('unavailable', 'VALIDATOR_UNAVAILABLE', 'Binaries cannot be validated now: try again later.');
