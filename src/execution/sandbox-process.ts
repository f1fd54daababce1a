import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Confinement } from '../common/confinement.js';
import type { SandboxConfig } from '../config/index.js';
import { encodeFrame, FrameDecoder, maxHeaderBytes } from './frames.js';
import type { FromSandbox, RunLimits, ToSandbox, Usage } from './frames.js';
import { parseFromSandbox } from './from-sandbox.js';
import type { RunOutcome, RunReport } from './run.js';
import { WASM_PAGE_BYTES } from './sandbox-confinement.js';

/** One run, ready to be handed over. */
export interface Job {
  sha256: string;
  /** The module's bytes. */
  module: Uint8Array;
  /** Standard input. */
  input: Uint8Array;
  environment: Record<string, string>;
  timeoutMs: number;
  onLog?: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * One sandbox process, from the server's side.
 *
 *   starting ──ready──▶ idle ──execute──▶ running ──report──▶ idle …
 *       └───────────────┴── exit, kill ──────┴──▶ gone
 *
 * It is bound to the version of its first job for life. A run that cannot be ended from inside (deadline, cancellation,
 * a protocol violation) is ended by SIGKILL, and the process with it.
 */
export class SandboxProcess {
  /** Resolves when the process takes jobs; rejects when it ended before that. */
  readonly ready: Promise<void>;
  /** Resolves once the process is dead and reaped. */
  readonly gone: Promise<void>;
  /** SHA-256 of the version it serves. */
  boundTo?: string;
  /** Runs it has been given. */
  runs = 0;

  private readonly child: ChildProcess;
  private readonly limits: RunLimits;
  private readonly decoder: FrameDecoder;
  private alive = true;
  /** CPU time of the process when it last reported. */
  private totalCpuMs = 0;
  /** The end of its standard error: what V8 says before it aborts. */
  private lastWords = '';
  private current?: CurrentRun;
  private announceReady!: () => void;

  constructor(
    confinement: Confinement,
    private readonly config: SandboxConfig,
  ) {
    const { maxOutputBytes, maxStderrBytes, maxStderrLines, clockResolutionUs } = config;
    this.limits = { maxOutputBytes, maxStderrBytes, maxStderrLines, clockResolutionUs };
    this.decoder = new FrameDecoder(maxHeaderBytes(this.limits), maxOutputBytes);
    this.child = confinement.spawn(['pipe', 'pipe', 'pipe']);
    this.gone = new Promise((resolve) => {
      const bury = (how: string): void => {
        this.alive = false;
        this.finish(this.outcomeOfDeath(how));
        resolve();
      };
      this.child.once('error', (error) => bury(error.message));
      this.child.once('close', (code, signal) => bury(signal ? `killed by ${signal}` : `exit code ${code}`));
    });
    this.ready = new Promise((resolve, reject) => {
      this.announceReady = resolve;
      void this.gone.then(() => reject(new Error(this.lastWords.trim() || 'it ended before it was ready')));
    });
    this.listen();
  }

  get usable(): boolean {
    return this.alive;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Runs `job`. Only when idle, and only jobs of one version in the life of a process. Never rejects. */
  execute(job: Job): Promise<RunReport> {
    return new Promise((resolve) => {
      const cancel = (): void => this.endByKill({ end: 'cancelled' });
      const expire = (): void => this.endByKill({ end: 'timed_out', afterMs: job.timeoutMs });
      const deadline = setTimeout(expire, Math.min(job.timeoutMs, MAX_TIMER_MS));
      job.signal?.addEventListener('abort', cancel, { once: true });
      this.current = { job, startedAt: performance.now(), deadline, cancel, resolve, lines: 0 };
      this.runs++;
      if (!this.alive) return this.finish({ end: 'crashed', reason: 'the sandbox process was gone' });
      // One system call for all pieces of all frames.
      this.child.stdin?.cork();
      if (this.boundTo === undefined) {
        this.boundTo = job.sha256;
        this.send({ kind: 'load' }, job.module);
      }
      const { environment, timeoutMs, input } = job;
      this.send({ kind: 'run', environment, timeoutMs, limits: this.limits }, input);
      this.child.stdin?.uncork();
    });
  }

  kill(): void {
    this.alive = false;
    this.child.kill('SIGKILL');
  }

  private listen(): void {
    const { stdin, stdout, stderr } = this.child;
    // Whoever writes to a dying process hears of its end through `close`.
    stdin?.on('error', () => undefined);
    stdout?.on('data', (chunk: Buffer) => this.receive(chunk));
    stderr?.setEncoding('utf8').on('data', (text: string) => (this.lastWords = (this.lastWords + text).slice(-4096)));
  }

  private send(message: ToSandbox, payload: Uint8Array): void {
    for (const piece of encodeFrame(message, payload)) this.child.stdin?.write(piece);
  }

  private receive(chunk: Buffer): void {
    if (!this.alive) return;
    try {
      for (const frame of this.decoder.push(chunk)) this.handle(parseFromSandbox(frame.header), frame.payload);
    } catch (error) {
      this.endByKill({ end: 'crashed', reason: `the sandbox process broke the protocol: ${(error as Error).message}` });
    }
  }

  /** @throws Error when the message is not one to be sent now */
  private handle(message: FromSandbox, payload: Uint8Array): void {
    if (message.kind === 'ready') {
      this.totalCpuMs = message.totalCpuMs;
      return this.announceReady();
    }
    if (!this.current) throw new Error(`${message.kind} without a run`);
    if (message.kind === 'log') {
      this.current.lines += message.lines.length;
      if (this.current.lines > this.limits.maxStderrLines) throw new Error('more log lines than agreed');
      for (const line of message.lines) this.current.job.onLog?.(line);
      return;
    }
    const { outcome, usage } = message;
    this.totalCpuMs = usage.totalCpuMs;
    const text = new TextDecoder('utf-8', { fatal: true }).decode(payload);
    this.finish(outcome.end === 'completed' ? { ...outcome, output: text } : outcome, usage);
  }

  private endByKill(outcome: RunOutcome): void {
    const cpuMs = this.sampleCpuMs();
    this.kill();
    this.finish(outcome, cpuMs === undefined ? {} : { cpuMs });
  }

  private finish(outcome: RunOutcome, usage: Partial<Usage> = {}): void {
    if (!this.current) return;
    const { job, startedAt, deadline, cancel, resolve } = this.current;
    this.current = undefined;
    clearTimeout(deadline);
    job.signal?.removeEventListener('abort', cancel);
    const wallMs = performance.now() - startedAt;
    const { cpuMs = wallMs, peakMemoryBytes = 0, bytesOut = 0 } = usage;
    resolve({ outcome, metering: { wallMs, cpuMs, peakMemoryBytes, bytesIn: job.input.length, bytesOut } });
  }

  private outcomeOfDeath(how: string): RunOutcome {
    if (OUT_OF_MEMORY.test(this.lastWords)) {
      return { end: 'out_of_memory', limitBytes: this.config.maxMemoryPages * WASM_PAGE_BYTES };
    }
    return { end: 'crashed', reason: `the sandbox process ended: ${how}` };
  }

  /** CPU time since the last report, from `utime` and `stime` of proc(5); undefined where there is no `/proc`. */
  private sampleCpuMs(): number | undefined {
    try {
      const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Math.max(0, (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK - this.totalCpuMs);
    } catch {
      return undefined;
    }
  }
}

interface CurrentRun {
  job: Job;
  startedAt: number;
  deadline: NodeJS.Timeout;
  cancel: () => void;
  resolve: (report: RunReport) => void;
  /** Log lines received. */
  lines: number;
}

/** `USER_HZ`, which is 100 wherever Node.js runs on Linux. */
const MS_PER_TICK = 10;
/** A longer timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** V8, its embedder and libstdc++ each have their own words for it. */
const OUT_OF_MEMORY = /out of memory|bad_alloc|allocation failed/i;
