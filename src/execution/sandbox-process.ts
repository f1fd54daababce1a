import type { ChildProcess } from 'node:child_process';
import { MAX_TIMER_MS } from '../common/timers.js';
import { type Confinement, describeEnd, killConfined } from '../confinement/index.js';
import type { SandboxConfig } from '../config/index.js';
import {
  assertMayCall,
  assertPossible,
  assertWithinLog,
  brokenProtocol,
  cpuExhausted,
  type CurrentRun,
  ENGINE_THREADS,
  type Job,
  type Killed,
} from './current-run.js';
import { encodeFrame, FrameDecoder, maxHeaderBytes, REPORT_HEADER_BYTES } from './frames.js';
import type { FromSandbox, ToSandbox, Usage } from './frames.js';
import { parseFromSandbox } from './from-sandbox.js';
import { kills } from './metrics.js';
import { cpuMsOf, residentBytesOf } from './process-figures.js';
import type { HostCallLimits, HostCalls, RunOutcome, RunPlace, RunReport } from './run.js';
import { PAGE_BYTES } from './sandbox/engine.js';
import { verifyOutput } from './verify-output.js';

/**
 * One sandbox process, from the server's side.
 *
 *   starting ──ready──▶ idle ──execute──▶ running ──report──▶ idle …
 *       └───────────────┴── exit, kill ──────┴──▶ gone
 *
 * It is bound to the version of its first job for life. A run that cannot be ended from inside (deadline, CPU time,
 * cancellation, a protocol violation) is ended by SIGKILL, and the process with it.
 *
 * Whatever the process says is checked before it is believed, and what the kernel can tell (processor time, resident
 * memory) is read from there: an agent that has broken out of the engine speaks this protocol itself.
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
  /** Resident memory when it was last measured, between two runs; 0 where it cannot be read. */
  residentBytes = 0;

  /** The limit of tables that its module was compiled under. */
  private loadedUnder?: number;
  /** Started by the confinement: perhaps a tool that waits for the process itself. */
  private readonly child: ChildProcess;
  /** Of the process itself, from when it is ready; undefined where it is not to be seen. */
  pid?: number;
  private readonly decoder: FrameDecoder;
  private alive = true;
  /** Until it has said that it is ready. */
  private announceReady?: () => void;
  /** The end of its standard error: what V8 says before it aborts. */
  private lastWords = '';
  /** Characters of its standard error so far. */
  private wordsSaid = 0;
  private current?: CurrentRun;

  /** @param startTimeoutMs after which a process that is not ready is killed */
  constructor(
    private readonly confinement: Confinement,
    private readonly config: SandboxConfig,
    startTimeoutMs = START_TIMEOUT_MS,
  ) {
    this.decoder = new FrameDecoder(REPORT_HEADER_BYTES, 0);
    this.child = confinement.spawn(['pipe', 'pipe', 'pipe']);
    this.gone = new Promise((resolve) => {
      const bury = (how: string): void => {
        this.alive = false;
        this.finish(this.outcomeOfDeath(how));
        resolve();
      };
      this.child.once('error', (error) => bury(error.message));
      this.child.once('close', (code, signal) => bury(describeEnd(code, signal)));
    });
    this.ready = new Promise((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.lastWords = `it was not ready within ${startTimeoutMs} ms`;
        this.kill();
      }, startTimeoutMs);
      this.announceReady = () => {
        clearTimeout(deadline);
        resolve();
      };
      void this.gone.then(() => {
        clearTimeout(deadline);
        reject(new Error(this.lastWords.trim() || 'it ended before it was ready'));
      });
    });
    this.listen();
  }

  get usable(): boolean {
    return this.alive;
  }

  /** @returns `residentBytes` as of now */
  measureMemory(): number {
    this.residentBytes = residentBytesOf(this.pid) ?? 0;
    return this.residentBytes;
  }

  /** Runs `job`. Only when idle, and only jobs of one version in the life of a process. Never rejects. */
  async execute(job: Job): Promise<RunReport> {
    const report = await this.handOver(job);
    const { outcome, metering } = report;
    if (outcome.end !== 'completed') return report;
    const verified = await verifyOutput(outcome.output as Uint8Array, job.outputAs);
    if ('output' in verified) return { outcome: { end: 'completed', output: verified.output }, metering };
    this.kill();
    kills.inc({ reason: 'crashed' });
    return { outcome: brokenProtocol(verified.fault), metering };
  }

  /** @returns a report whose output is whatever the process has sent */
  private handOver(job: Job): Promise<RunReport> {
    return new Promise((resolve) => {
      const cancel = (): void => this.endByKill({ end: 'cancelled' });
      const deadline = this.expireIn(job.timeoutMs, job);
      job.signal?.addEventListener('abort', cancel, { once: true });
      const startedAt = performance.now();
      const cpuBefore = cpuMsOf(this.pid);
      this.current = {
        job,
        startedAt,
        cpuBefore,
        deadline,
        cancel,
        resolve,
        lines: 0,
        logBytes: 0,
        calls: 0,
        calling: false,
        parkedMs: 0,
      };
      this.lookAtCpuIn(job.limits.maxCpuMs);
      this.runs++;
      if (!this.alive) return this.finish({ end: 'crashed', reason: 'the sandbox process was gone' });
      // One system call for all pieces of all frames.
      this.child.stdin?.cork();
      const { environment, timeoutMs, limits, input, hostCalls } = job;
      const { maxTableElements, stackKb } = limits;
      this.boundTo = job.sha256;
      if (this.loadedUnder !== maxTableElements) {
        this.send({ kind: 'load', maxTableElements, maxMemoryPages: this.config.maxMemoryPages }, job.module);
      }
      this.loadedUnder = maxTableElements;
      this.decoder.headerRoom = maxHeaderBytes(limits, hostCalls);
      this.decoder.maxPayloadBytes = Math.max(limits.maxOutputBytes, hostCalls?.maxRequestBytes ?? 0);
      const withheldStackKb = this.config.stackKb - stackKb;
      this.send({ kind: 'run', environment, timeoutMs, limits, withheldStackKb, ...callLimits(hostCalls) }, input);
      this.child.stdin?.uncork();
    });
  }

  kill(): void {
    this.alive = false;
    killConfined(this.child);
  }

  private listen(): void {
    const { stdin, stdout, stderr } = this.child;
    // A write to a dying process fails; `close` reports its end.
    stdin?.on('error', () => undefined);
    stdout?.on('data', (chunk: Buffer) => this.receive(chunk));
    stderr?.setEncoding('utf8').on('data', (text: string) => this.hear(text));
    // What it may have forked holds the streams open, and without their end there is no `close`.
    this.child.once('exit', () => {
      const letGo = setTimeout(() => [stdin, stdout, stderr].forEach((stream) => stream?.destroy()), LAST_WORDS_MS);
      this.child.once('close', () => clearTimeout(letGo));
    });
  }

  private send(message: ToSandbox, payload: Uint8Array): void {
    for (const piece of encodeFrame(message, payload)) this.child.stdin?.write(piece);
  }

  /** Of a healthy process there is nothing to hear. */
  private hear(text: string): void {
    this.lastWords = (this.lastWords + text).slice(-4096);
    this.wordsSaid += text.length;
    if (this.alive && this.wordsSaid > MOST_WORDS) this.endByKill(brokenProtocol('it floods its standard error'));
  }

  private receive(chunk: Buffer): void {
    if (!this.alive) return;
    try {
      for (const frame of this.decoder.push(chunk)) this.handle(parseFromSandbox(frame.header), frame.payload);
    } catch (error) {
      this.endByKill(brokenProtocol((error as Error).message));
    }
  }

  /** @throws Error when the message is not one to be sent now */
  private handle(message: FromSandbox, payload: Uint8Array): void {
    const mayHavePayload =
      message.kind === 'call' || (message.kind === 'report' && message.outcome.end === 'completed');
    if (payload.length > 0 && !mayHavePayload) throw new Error(`${message.kind} with a payload`);
    if (message.kind === 'ready') {
      if (!this.announceReady) throw new Error('ready for a second time');
      // No agent has run in it yet that could have started another process.
      this.pid = this.confinement.pidOf(this.child);
      this.announceReady();
      this.announceReady = undefined;
      this.measureMemory();
      return;
    }
    if (!this.current) throw new Error(`${message.kind} without a run`);
    const { job } = this.current;
    if (message.kind === 'log') {
      assertWithinLog(message.lines, this.current);
      for (const line of message.lines) job.onLog?.(line);
      return;
    }
    if (message.kind === 'call') return this.serveCall(message, payload, this.current);
    const { outcome, usage } = message;
    if (payload.length > job.limits.maxOutputBytes) throw new Error(`${payload.length} bytes of output`);
    if (this.current.calling) throw new Error('a report before the answer to a call');
    assertPossible(usage, this.current, () => cpuMsOf(this.pid));
    if (usage.cpuMs > job.limits.maxCpuMs) return this.finish(cpuExhausted(job), usage);
    this.finish(outcome.end === 'completed' ? { ...outcome, output: payload } : outcome, usage);
  }

  /** Hands a call to the run's host, and its answer to the process, which waits for it. */
  private serveCall({ n, name }: Extract<FromSandbox, { kind: 'call' }>, request: Uint8Array, run: CurrentRun): void {
    const hostCalls = assertMayCall(n, name, request.length, run);
    void hostCalls.answer(n, name, request, this.placeOf(run)).then((answer) => {
      if (this.current !== run || !this.alive) return;
      run.calling = false;
      this.child.stdin?.cork();
      this.send({ kind: 'answer', n }, answer);
      this.child.stdin?.uncork();
    });
  }

  private placeOf(run: CurrentRun): RunPlace {
    const { job } = run;
    return {
      park: () => {
        if (this.current !== run || run.parkedAt !== undefined) return;
        clearTimeout(run.deadline);
        run.parkedAt = performance.now();
        job.slot?.park();
      },
      unpark: async () => {
        await job.slot?.unpark();
        if (this.current !== run || run.parkedAt === undefined) return;
        run.parkedMs = parkedMsOf(run);
        run.parkedAt = undefined;
        run.deadline = this.expireIn(job.timeoutMs - ranMsOf(run), job);
      },
    };
  }

  /** Kills the run at its time limit. If this process has hung, the report that came in time is read first. */
  private expireIn(leftMs: number, job: Job): NodeJS.Timeout {
    const expire = () =>
      setImmediate(() => {
        const isRunning = this.current?.job === job && this.current.parkedAt === undefined;
        if (isRunning) this.endByKill({ end: 'timed_out', afterMs: job.timeoutMs });
      });
    return setTimeout(expire, Math.min(Math.max(0, leftMs), MAX_TIMER_MS));
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
        const used = this.cpuMsSoFar();
        if (used === undefined) return;
        const left = job.limits.maxCpuMs - used;
        if (left > 0) this.lookAtCpuIn(left);
        else this.endByKill(cpuExhausted(job));
      },
      Math.min(Math.max(leftMs / ENGINE_THREADS, SHORTEST_LOOK_MS), MAX_TIMER_MS),
    );
  }

  /** Of the current run; undefined where it cannot be read. */
  private cpuMsSoFar(): number | undefined {
    const now = cpuMsOf(this.pid);
    const before = this.current?.cpuBefore;
    return now === undefined || before === undefined ? undefined : now - before;
  }

  private endByKill(outcome: Killed): void {
    const usage = this.usageSoFar();
    this.kill();
    kills.inc({ reason: outcome.end });
    this.finish(outcome, usage);
  }

  private finish(outcome: RunOutcome, usage: Partial<Usage> = {}): void {
    if (!this.current) return;
    const { job, deadline, cpuLook, cancel, resolve } = this.current;
    const wallMs = ranMsOf(this.current);
    this.current = undefined;
    clearTimeout(deadline);
    clearTimeout(cpuLook);
    job.signal?.removeEventListener('abort', cancel);
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
    const cpuMs = this.cpuMsSoFar();
    const residentBytes = residentBytesOf(this.pid);
    const limitBytes = (this.current?.job.limits.maxMemoryPages ?? 0) * PAGE_BYTES;
    return {
      ...(cpuMs !== undefined && { cpuMs }),
      ...(residentBytes !== undefined && {
        peakMemoryBytes: Math.min(limitBytes, Math.max(0, residentBytes - this.residentBytes)),
      }),
    };
  }
}

const parkedMsOf = ({ parkedAt, parkedMs }: CurrentRun): number =>
  parkedMs + (parkedAt === undefined ? 0 : performance.now() - parkedAt);

/** Time since the run began without the time for which it was parked, ms. */
const ranMsOf = (run: CurrentRun): number => performance.now() - run.startedAt - parkedMsOf(run);

/** The part of a run's host calls that its process is told. */
const callLimits = (hostCalls: HostCalls | undefined): { hostCalls?: HostCallLimits } => {
  if (!hostCalls) return {};
  const { methods, maxCalls, maxRequestBytes } = hostCalls;
  return { hostCalls: { methods, maxCalls, maxRequestBytes } };
};

/** A start takes some 60 ms, on a machine at its limits a second or two. */
const START_TIMEOUT_MS = 10_000;
/** After its end, for what is left in its streams. */
const LAST_WORDS_MS = 1000;
/** V8 says some thousand before it aborts. */
const MOST_WORDS = 256 * 1024;
/** As fine as CPU time can be read. */
const SHORTEST_LOOK_MS = 10;
/** V8, its embedder and libstdc++ each have their own words for it. */
const OUT_OF_MEMORY = /out of memory|bad_alloc|allocation failed/i;
