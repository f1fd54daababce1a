import { Logger } from '@nestjs/common';
import { AppError } from '../common/app-error.js';
import { DependencyFault } from '../observability/index.js';
import { CANCELLED, type RunPlace, type RunReport } from './run.js';
import type { Job } from './current-run.js';
import type { SandboxProcess } from './sandbox-process.js';
import type { PoolFigures } from './metrics.js';
import { unlessAborted } from './unless-aborted.js';

/**
 * Sandbox processes and who runs in which.
 *
 * - *slot*: the right to run; `slots` runs go on at the same time, the others wait, first come first served.
 * - *fresh*: a process that has not served any version yet; *bound*: one that has, and serves only that one.
 * - *warm*: bound and idle. A run goes to the warm process of its version if there is one, else to a fresh one.
 *
 * No process serves two versions, so that an agent that breaks out of the engine meets no runs of other agents. Starting one
 * takes some 60 ms, so it happens in the background: a few fresh ones are kept as spares, a killed one is replaced
 * before anyone asks, and warm ones beyond the running are kept, least recently used ones going first.
 *
 * - *parked*: in the middle of a run that waits for the answer to a host call, without a slot. The run gets the next free
 *   slot once it can go on. What it may wait for, and how many may be parked, is the caller's to limit.
 *
 * A run that has to wait for a fresh process lets later ones pass whose version is warm, but no later one gets a slot
 * that it could use itself.
 */
export interface PoolSizes {
  /** Runs at the same time. */
  slots: number;
  /** Warm processes kept beyond those that run. */
  warm: number;
  /** Resident memory they may have together, bytes. */
  warmBytes: number;
  /** Fresh processes kept. */
  spares: number;
  /** Runs after which a process is replaced. */
  recycleAfterRuns: number;
  /** Resident memory between two runs above which a process is replaced, bytes. */
  recycleAboveBytes: number;
}

export class SandboxPool {
  private readonly logger = new Logger('Sandbox');
  /** Every process that is not yet reaped. */
  private readonly living = new Set<SandboxProcess>();
  /** Least recently used first. */
  private idle: SandboxProcess[] = [];
  private waiting: Waiting[] = [];
  private starting = 0;
  private running = 0;
  /** Processes whose runs have given their slots to others. */
  private readonly parked = new Set<SandboxProcess>();
  private closed = false;
  /** Starts that have failed since the last that succeeded. */
  private failedStarts = 0;
  private pause?: NodeJS.Timeout;
  private startingSoon?: NodeJS.Immediate;

  constructor(
    private readonly start: () => SandboxProcess,
    private readonly sizes: PoolSizes,
  ) {
    this.replenish();
  }

  /**
   * Waits for a slot, calls `onStart`, runs the job.
   * @throws AppError `unavailable` `SANDBOX_UNAVAILABLE` when processes cannot be started or the pool is closed, and
   *   whatever `onStart` throws
   */
  async run(job: Job, onStart?: () => void | Promise<void>): Promise<RunReport> {
    let process = await this.acquire(job);
    if (!process) return CANCELLED;
    try {
      await unlessAborted(job.signal, onStart?.());
      // Died before it was handed anything, which is nothing that the agent could be blamed for.
      while (!process.usable && !job.signal?.aborted) {
        // Asked for before the slot is given back, so that no other run gets it.
        const other = this.acquire(job, 'ahead');
        this.release(process);
        process = undefined;
        process = await other;
        if (!process) return CANCELLED;
      }
      if (job.signal?.aborted) return CANCELLED;
      const report = await process.execute({ ...job, slot: this.slotOf(process, job) });
      if (this.closed && report.outcome.end === 'crashed') throw unavailable(SHUTTING_DOWN);
      return report;
    } finally {
      if (process) this.release(process);
    }
  }

  /** @throws Error when processes cannot be started */
  assertUsable(): void {
    if (this.failedStarts >= STARTS_BEFORE_GIVING_UP) throw new DependencyFault('no sandbox process can be started');
  }

  figures(): PoolFigures {
    return {
      running: this.running,
      waiting: this.waiting.length,
      parked: this.parked.size,
      living: this.living.size,
    };
  }

  /** Kills every process, whatever it does, and waits until all are reaped. Waiting runs are rejected. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.pause);
    this.rejectWaiting(SHUTTING_DOWN);
    for (const process of this.living) process.kill();
    await Promise.all([...this.living].map((process) => process.gone));
  }

  /**
   * @param place of a job that has had a slot already: ahead of those that have not
   * @returns undefined when the job was cancelled before it got a slot
   */
  private acquire({ sha256, signal }: Job, place?: 'ahead'): Promise<SandboxProcess | undefined> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return resolve(undefined);
      if (this.closed) return reject(unavailable(SHUTTING_DOWN));
      const leave = (): void => {
        this.waiting = this.waiting.filter((other) => other !== entry);
        signal?.removeEventListener('abort', cancel);
      };
      const cancel = (): void => {
        leave();
        resolve(undefined);
      };
      const entry: Waiting = {
        sha256,
        grant: (process) => {
          leave();
          resolve(process);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      signal?.addEventListener('abort', cancel, { once: true });
      if (place === 'ahead') this.waiting.unshift(entry);
      else this.waiting.push(entry);
      this.dispatch();
    });
  }

  private slotOf(process: SandboxProcess, { sha256 }: Job): RunPlace {
    return {
      park: () => {
        if (this.parked.has(process) || !process.usable) return;
        this.parked.add(process);
        this.running--;
        this.dispatch();
      },
      unpark: () =>
        new Promise((resolve) => {
          if (!this.parked.has(process) || this.closed) return resolve();
          this.waiting.unshift({ sha256, own: process, grant: () => resolve(), reject: () => resolve() });
          this.dispatch();
        }),
    };
  }

  private release(process: SandboxProcess): void {
    // A parked run that was killed has no slot to release, and waits for none any more.
    const wait = this.waiting.find(({ own }) => own === process);
    this.waiting = this.waiting.filter((entry) => entry !== wait);
    wait?.grant(process);
    if (!this.parked.delete(process)) this.running--;
    const { recycleAfterRuns, recycleAboveBytes } = this.sizes;
    if (process.runs >= recycleAfterRuns || process.measureMemory() > recycleAboveBytes) process.kill();
    if (process.usable) this.idle.push(process);
    this.dispatch();
  }

  /** Gives free slots to those who wait and can run now, then sees to it that the others soon can. */
  private dispatch(): void {
    if (this.closed) return;
    for (const entry of [...this.waiting]) {
      if (this.running >= this.sizes.slots) break;
      const process = entry.own ?? this.pick(entry.sha256);
      if (!process) continue;
      if (entry.own) {
        this.parked.delete(entry.own);
        this.waiting = this.waiting.filter((other) => other !== entry);
      }
      this.idle = this.idle.filter((other) => other !== process);
      this.running++;
      entry.grant(process);
    }
    this.replenish();
  }

  private pick(sha256: string): SandboxProcess | undefined {
    return (
      this.idle.findLast((process) => process.usable && process.boundTo === sha256) ??
      this.idle.find((process) => process.usable && process.boundTo === undefined)
    );
  }

  private replenish(): void {
    if (this.closed) return;
    const dropped = this.tooWarm();
    this.idle = this.idle.filter((process) => !dropped.includes(process));
    for (const process of dropped) process.kill();
    // Starting one blocks for milliseconds: the runs that have just been granted a process are handed over first.
    this.startingSoon ??= setImmediate(() => {
      this.startingSoon = undefined;
      this.startMissing();
    });
  }

  /** Of the warm processes those beyond what may be kept: by number and by memory, the most recently used ones first. */
  private tooWarm(): SandboxProcess[] {
    const { warm, warmBytes } = this.sizes;
    let bytes = 0;
    return this.idle
      .filter((process) => process.boundTo !== undefined)
      .reverse()
      .filter((process, index) => {
        bytes += process.residentBytes;
        return index >= warm || bytes > warmBytes;
      });
  }

  private startMissing(): void {
    if (this.closed || this.pause) return;
    const { slots, spares } = this.sizes;
    const next = this.waiting.slice(0, slots).filter(({ sha256, own }) => !own && !this.isWarm(sha256));
    const fresh = this.idle.filter((process) => process.boundTo === undefined).length + this.starting;
    for (let missing = spares + next.length - fresh; missing > 0 && !this.pause; missing--) this.startProcess();
  }

  private isWarm(sha256: string): boolean {
    return this.idle.some((process) => process.boundTo === sha256);
  }

  private startProcess(): void {
    const process = this.start();
    this.living.add(process);
    this.starting++;
    process.ready
      .then(
        () => {
          this.failedStarts = 0;
          this.idle.push(process);
        },
        (error: Error) => this.afterFailedStart(error),
      )
      .finally(() => {
        this.starting--;
        this.dispatch();
      });
    void process.gone.then(() => {
      this.living.delete(process);
      this.idle = this.idle.filter((other) => other !== process);
      this.dispatch();
    });
  }

  /** Not again at once: whatever is wrong (no memory, no process ids) will not be better in a millisecond. */
  private afterFailedStart(error: Error): void {
    if (this.closed) return;
    this.failedStarts++;
    this.logger.warn(`a sandbox process did not start: ${error.message}`);
    if (this.failedStarts >= STARTS_BEFORE_GIVING_UP) {
      this.rejectWaiting('No sandbox process can be started; try again later.', error);
    }
    clearTimeout(this.pause);
    const pauseMs = Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** this.failedStarts);
    this.pause = setTimeout(() => {
      this.pause = undefined;
      this.dispatch();
    }, pauseMs);
  }

  private rejectWaiting(message: string, cause?: Error): void {
    // A parked run has its process, and needs no new one.
    for (const entry of this.waiting) if (!entry.own || this.closed) entry.reject(unavailable(message, cause));
  }
}

interface Waiting {
  sha256: string;
  /** Process of a parked run, which needs a slot and no process. */
  own?: SandboxProcess;
  grant: (process: SandboxProcess) => void;
  reject: (error: AppError) => void;
}

const SHUTTING_DOWN = 'The sandbox is shutting down.';
const STARTS_BEFORE_GIVING_UP = 4;
const MIN_PAUSE_MS = 50;
const MAX_PAUSE_MS = 10_000;

const unavailable = (message: string, cause?: Error): AppError =>
  new AppError('unavailable', 'SANDBOX_UNAVAILABLE', message, { cause });
