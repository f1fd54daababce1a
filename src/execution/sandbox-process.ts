import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Confinement } from '../common/confinement.js';
import type { SandboxConfig } from '../config/index.js';
import { encodeFrame, FrameDecoder, maxHeaderBytes } from './frames.js';
import type { FromSandbox, ToSandbox, Usage } from './frames.js';
import { parseFromSandbox } from './from-sandbox.js';
import { kills } from './metrics.js';
import type { RunLimits, RunOutcome, RunReport } from './run.js';
import { PAGE_BYTES } from './sandbox/engine.js';

/** One run, ready to be handed over. */
export interface Job {
  sha256: string;
  /** The module's bytes. */
  module: Uint8Array;
  /** Standard input; what has to be fetched is there when the job is handed over. */
  input: Uint8Array;
  outputAs: 'text' | 'bytes';
  environment: Record<string, string>;
  timeoutMs: number;
  /** None looser than the server's. */
  limits: RunLimits;
  onLog?: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * One sandbox process, from the server's side.
 *
 *   starting ──ready──▶ idle ──execute──▶ running ──report──▶ idle …
 *       └───────────────┴── exit, kill ──────┴──▶ gone
 *
 * It is bound to the version of its first job for life. A run that cannot be ended from inside (deadline, CPU time,
 * cancellation, a protocol violation) is ended by SIGKILL, and the process with it.
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

  /** The limit of tables that its module was compiled under. */
  private loadedUnder?: number;
  private readonly child: ChildProcess;
  private readonly decoder: FrameDecoder;
  private alive = true;
  /** CPU time and resident memory of the process when it last reported. */
  private atRest = { totalCpuMs: 0, residentBytes: 0 };
  /** The end of its standard error: what V8 says before it aborts. */
  private lastWords = '';
  private current?: CurrentRun;
  private announceReady!: () => void;

  constructor(
    confinement: Confinement,
    private readonly config: SandboxConfig,
  ) {
    this.decoder = new FrameDecoder(maxHeaderBytes(config), 0);
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

  /** Bytes, before its latest run. */
  get residentBytes(): number {
    return this.atRest.residentBytes;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Runs `job`. Only when idle, and only jobs of one version in the life of a process. Never rejects. */
  execute(job: Job): Promise<RunReport> {
    return new Promise((resolve) => {
      const cancel = (): void => this.endByKill({ end: 'cancelled' });
      // If this process has hung, the report that came in time is read first.
      const expire = () =>
        setImmediate(() => {
          if (this.current?.job === job) this.endByKill({ end: 'timed_out', afterMs: job.timeoutMs });
        });
      const deadline = setTimeout(expire, Math.min(job.timeoutMs, MAX_TIMER_MS));
      job.signal?.addEventListener('abort', cancel, { once: true });
      this.current = { job, startedAt: performance.now(), deadline, cancel, resolve, lines: 0 };
      this.lookAtCpuIn(job.limits.maxCpuMs);
      this.runs++;
      if (!this.alive) return this.finish({ end: 'crashed', reason: 'the sandbox process was gone' });
      // One system call for all pieces of all frames.
      this.child.stdin?.cork();
      const { environment, timeoutMs, limits, outputAs, input } = job;
      const { maxTableElements, stackKb } = limits;
      this.boundTo = job.sha256;
      if (this.loadedUnder !== maxTableElements) this.send({ kind: 'load', maxTableElements }, job.module);
      this.loadedUnder = maxTableElements;
      this.decoder.maxPayloadBytes = limits.maxOutputBytes;
      const withheldStackKb = this.config.stackKb - stackKb;
      this.send({ kind: 'run', environment, timeoutMs, limits, withheldStackKb, outputAs }, input);
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
      this.atRest = message;
      return this.announceReady();
    }
    if (!this.current) throw new Error(`${message.kind} without a run`);
    const { job } = this.current;
    if (message.kind === 'log') {
      this.current.lines += message.lines.length;
      if (this.current.lines > job.limits.maxStderrLines) throw new Error('more log lines than agreed');
      for (const line of message.lines) job.onLog?.(line);
      return;
    }
    const { outcome, usage } = message;
    this.atRest = usage;
    if (usage.cpuMs > job.limits.maxCpuMs) return this.finish(cpuExhausted(job), usage);
    if (outcome.end !== 'completed') return this.finish(outcome, usage);
    const output = job.outputAs === 'bytes' ? payload : new TextDecoder('utf-8', { fatal: true }).decode(payload);
    this.finish({ ...outcome, output }, usage);
  }

  /**
   * Looks when `leftMs` of CPU time can have been used at the earliest, and again when the rest can: a handful of looks
   * for a run that computes, and as many for one that sleeps half of the time. Where CPU time cannot be read, the
   * report tells of the excess, and the deadline ends what never reports.
   */
  private lookAtCpuIn(leftMs: number): void {
    if (!this.current) return;
    const { job } = this.current;
    this.current.cpuLook = setTimeout(
      () => {
        const used = cpuMsOf(this.child.pid);
        if (used === undefined) return;
        const left = job.limits.maxCpuMs - (used - this.atRest.totalCpuMs);
        if (left > 0) this.lookAtCpuIn(left);
        else this.endByKill(cpuExhausted(job));
      },
      Math.min(Math.max(leftMs / ENGINE_THREADS, SHORTEST_LOOK_MS), MAX_TIMER_MS),
    );
  }

  private endByKill(outcome: Killed): void {
    const usage = this.usageSoFar();
    this.kill();
    kills.inc({ reason: outcome.end });
    this.finish(outcome, usage);
  }

  private finish(outcome: RunOutcome, usage: Partial<Usage> = {}): void {
    if (!this.current) return;
    const { job, startedAt, deadline, cpuLook, cancel, resolve } = this.current;
    this.current = undefined;
    clearTimeout(deadline);
    clearTimeout(cpuLook);
    job.signal?.removeEventListener('abort', cancel);
    const wallMs = performance.now() - startedAt;
    const { cpuMs = wallMs, peakMemoryBytes = 0, bytesOut = 0, hostCalls = 0 } = usage;
    const bytesIn = job.input.length;
    resolve({ outcome, metering: { wallMs, cpuMs, peakMemoryBytes, bytesIn, bytesOut, hostCalls } });
  }

  private outcomeOfDeath(how: string): RunOutcome {
    if (this.current && OUT_OF_MEMORY.test(this.lastWords)) {
      return { end: 'out_of_memory', limitBytes: this.current.job.limits.maxMemoryPages * PAGE_BYTES };
    }
    return { end: 'crashed', reason: `the sandbox process ended: ${how}` };
  }

  /** What can be told of a run from outside; of what cannot be read, nothing. */
  private usageSoFar(): Partial<Usage> {
    const { pid } = this.child;
    const cpuMs = cpuMsOf(pid);
    const residentBytes = residentBytesOf(pid);
    const limitBytes = (this.current?.job.limits.maxMemoryPages ?? 0) * PAGE_BYTES;
    return {
      ...(cpuMs !== undefined && { cpuMs: Math.max(0, cpuMs - this.atRest.totalCpuMs) }),
      ...(residentBytes !== undefined && {
        peakMemoryBytes: Math.min(limitBytes, Math.max(0, residentBytes - this.atRest.residentBytes)),
      }),
    };
  }
}

/** What is not waited for until it ends by itself. */
type Killed = Extract<RunOutcome, { end: 'timed_out' | 'cpu_exhausted' | 'crashed' | 'cancelled' }>;

const cpuExhausted = ({ limits }: Job): Killed => ({ end: 'cpu_exhausted', limitMs: limits.maxCpuMs });

/** CPU time of a process, all threads, to 10 ms: `utime` and `stime` of proc(5); undefined where there is no `/proc`. */
function cpuMsOf(pid: number | undefined): number | undefined {
  const stat = procFile(pid, 'stat');
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

function residentBytesOf(pid: number | undefined): number | undefined {
  const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(procFile(pid, 'status') ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function procFile(pid: number | undefined, name: 'stat' | 'status'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return undefined;
  }
}

interface CurrentRun {
  job: Job;
  startedAt: number;
  deadline: NodeJS.Timeout;
  cpuLook?: NodeJS.Timeout;
  cancel: () => void;
  resolve: (report: RunReport) => void;
  /** Log lines received. */
  lines: number;
}

/** `USER_HZ`, which is 100 wherever Node.js runs on Linux. */
const MS_PER_TICK = 10;
/** Compiler threads use CPU time beside the agent's own thread. */
const ENGINE_THREADS = 2;
/** As fine as CPU time can be read. */
const SHORTEST_LOOK_MS = 10;
/** A longer timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** V8, its embedder and libstdc++ each have their own words for it. */
const OUT_OF_MEMORY = /out of memory|bad_alloc|allocation failed/i;
