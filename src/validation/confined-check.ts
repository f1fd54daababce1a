import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { AppError } from '../common/app-error.js';
import { confine, type Confinement } from '../common/confinement.js';
import { type CheckAnswer, requestFrame } from './check/exchange.js';
import type { ModuleLimits } from './wasm/limits.js';

/** How the check of one module ended. The last two are the module's doing, not the server's. */
export type CheckOutcome =
  | { end: 'answered'; answer: CheckAnswer }
  | { end: 'timed_out'; afterMs: number }
  /** `how` is for the log. */
  | { end: 'crashed'; how: string };

/** The checking process and everything it imports. */
const SCRIPTS = [
  './check/runner.js',
  './check/engine.js',
  './check/exchange.js',
  './check/warm-up.js',
  './wasm/byte-reader.js',
  './wasm/constant-expression.js',
  './wasm/custom-sections.js',
  './wasm/nesting.js',
  './wasm/refusal.js',
  './wasm/section-walker.js',
  './wasm/sections.js',
  './wasm/types.js',
  './wasm/walked-module.js',
].map((path) => new URL(path, import.meta.url));

const HEAP_MB = 256;
const MEMORY_BYTES = 384_000_000;
/** The limits on names and counts keep an answer below half of it. */
const LONGEST_ANSWER = 12_000_000;
const KEPT_STDERR = 8000;
/** Read and passed on at a time, bytes. */
const PIECE = 512 * 1024;

/**
 * Checks modules in confined child processes, one process each: what a module did to its process ends with it. Starting
 * one takes longer than checking most modules, so a spare one is started ahead and waits.
 */
export class ConfinedCheck {
  private spare: ChildProcess | undefined;
  private released = false;

  private constructor(
    private readonly confinement: Confinement,
    private readonly timeoutMs: number,
  ) {}

  /**
   * @param timeoutMs wall time of one check
   * @param cores how many of them the engine may keep busy meanwhile
   * @throws AppError `internal` `CONFINEMENT_FAILED`
   */
  static async prepare(timeoutMs: number, cores: number): Promise<ConfinedCheck> {
    // A second line behind the deadline, for a server too busy to keep it.
    const cpuSeconds = (Math.ceil(timeoutMs / 1000) + 1) * cores;
    const confinement = await confine({ scripts: SCRIPTS, heapMb: HEAP_MB, memoryBytes: MEMORY_BYTES, cpuSeconds });
    const check = new ConfinedCheck(confinement, timeoutMs);
    check.startSpare();
    return check;
  }

  /** Measures of confinement this machine does not offer, a line each. */
  get missing(): readonly string[] {
    return this.confinement.missing;
  }

  /**
   * @param binary open for reading; it is passed on piece by piece
   * @param size its bytes
   * @throws AppError `unavailable` `VALIDATOR_UNAVAILABLE` when no process can be started
   */
  async run(binary: FileHandle, size: number, limits: ModuleLimits): Promise<CheckOutcome> {
    const child = this.takeSpare() ?? this.start();
    if (child.pid === undefined) throw await unavailable(child);
    let timedOut = false;
    const deadline = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, this.timeoutMs);
    try {
      const output = collect(child.stdout!, LONGEST_ANSWER, () => child.kill('SIGKILL'));
      const complaint = collect(child.stderr!, KEPT_STDERR);
      const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
      child.stdin!.write(requestFrame({ size, limits }));
      try {
        await passOn(binary, size, child.stdin!);
      } catch (error) {
        child.kill('SIGKILL');
        throw error;
      }
      // The answer is whole once its line is: what the process needs to come to its end is not waited for.
      await Promise.race([ended, output.line]);
      const answer = parseAnswer(output.text());
      if (answer) return { end: 'answered', answer };
      const [code, signal] = await ended;
      if (timedOut) return { end: 'timed_out', afterMs: this.timeoutMs };
      return { end: 'crashed', how: `${signal ?? `exit code ${code}`}, ${gist(complaint.text())}` };
    } finally {
      clearTimeout(deadline);
      child.kill('SIGKILL');
      this.startSpare();
    }
  }

  /** No check can run afterwards. */
  async release(): Promise<void> {
    this.released = true;
    const spare = this.takeSpare();
    if (spare) {
      const ended = once(spare, 'close');
      spare.kill('SIGKILL');
      await ended;
    }
    await this.confinement.release();
  }

  /** After a check rather than during one, which it would slow down. */
  private startSpare(): void {
    if (this.spare || this.released) return;
    const child = this.start();
    this.spare = child;
    const drop = (): void => {
      if (this.spare === child) this.spare = undefined;
    };
    child.once('error', drop).once('close', drop);
  }

  private takeSpare(): ChildProcess | undefined {
    const { spare } = this;
    this.spare = undefined;
    return spare;
  }

  private start(): ChildProcess {
    const child = this.confinement.spawn(['pipe', 'pipe', 'pipe']);
    child.stdin?.on('error', () => undefined);
    return child;
  }
}

/**
 * Writes a file into a pipe and ends it: by turns through two buffers, since new ones for every piece cost more than the
 * copying. Whoever died at the other end before reading everything shows in how it ended.
 * @throws Error when the file cannot be read
 */
async function passOn(file: FileHandle, size: number, pipe: Writable): Promise<void> {
  const piece = Math.min(PIECE, size);
  let [buffer, other] = [Buffer.allocUnsafeSlow(piece), Buffer.allocUnsafeSlow(piece)];
  let written: Promise<boolean> = Promise.resolve(true);
  for (let position = 0; position < size;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(PIECE, size - position), position);
    if (!(await written) || bytesRead === 0) break;
    position += bytesRead;
    const filled = buffer.subarray(0, bytesRead);
    written = new Promise((resolve) => pipe.write(filled, (error) => resolve(!error)));
    [buffer, other] = [other, buffer];
  }
  pipe.end();
}

/** What came of a stream. */
interface Collected {
  /** Resolves at the end of the first line. */
  line: Promise<void>;
  text(): string;
}

/** Keeps the first `limit` bytes of a stream and drains the rest. */
function collect(stream: Readable, limit: number, onExcess = () => {}): Collected {
  const chunks: Buffer[] = [];
  let size = 0;
  let endLine: () => void;
  const line = new Promise<void>((resolve) => (endLine = resolve));
  stream.on('data', (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
    if (chunk.includes('\n')) endLine();
    if (size > limit) onExcess();
  });
  return { line, text: () => Buffer.concat(chunks).toString() };
}

/** The line of a crash report that names the error. */
const gist = (report: string): string => /^.*error.*$/im.exec(report)?.[0] ?? 'nothing on standard error';

/** The machine is out of processes or descriptors, which is not the module's doing. */
async function unavailable(child: ChildProcess): Promise<AppError> {
  const [cause] = (await once(child, 'error')) as [Error];
  return new AppError('unavailable', 'VALIDATOR_UNAVAILABLE', 'Binaries cannot be validated now: try again later.', {
    cause,
  });
}

function parseAnswer(line: string): CheckAnswer | undefined {
  try {
    return JSON.parse(line) as CheckAnswer;
  } catch {
    return undefined;
  }
}
