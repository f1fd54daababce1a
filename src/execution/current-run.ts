import { printable } from '../common/printable.js';
import type { Usage } from './frames.js';
import { MS_PER_TICK } from './process-figures.js';
import type { HostCalls, RunLimits, RunOutcome, RunPlace, RunReport } from './run.js';
import { PAGE_BYTES } from './sandbox/engine.js';

/** One run, ready for a process. */
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
  hostCalls?: HostCalls;
  onLog?: (line: string) => void;
  signal?: AbortSignal;
  /** Its slot in the pool. Unset: it runs without one. */
  slot?: RunPlace;
}

/** A job in a sandbox process. */
export interface CurrentRun {
  job: Job;
  startedAt: number;
  /** CPU time of the process before it. */
  cpuBefore?: number;
  deadline: NodeJS.Timeout;
  /** Since when it has been parked, on the clock of `performance.now()`; undefined: it is not. */
  parkedAt?: number;
  /** How long it was parked before that, ms. */
  parkedMs: number;
  cpuLook?: NodeJS.Timeout;
  cancel: () => void;
  resolve: (report: RunReport) => void;
  /** Log received. */
  lines: number;
  logBytes: number;
  /** Calls received. */
  calls: number;
  /** A call that has not been answered. */
  calling: boolean;
}

/** Compiler threads use CPU time beside the agent's own thread. */
export const ENGINE_THREADS = 2;

/**
 * Counts lines of standard error that arrived. A byte that is not text arrived as U+FFFD.
 * @throws Error when it is more than the limits keep
 */
export function assertWithinLog(lines: string[], run: CurrentRun): void {
  run.lines += lines.length;
  for (const line of lines) run.logBytes += Buffer.byteLength(line.replaceAll('\u{fffd}', '?'));
  const { maxStderrLines, maxStderrBytes } = run.job.limits;
  if (run.lines > maxStderrLines || run.logBytes > maxStderrBytes) throw new Error('more log than agreed');
}

/**
 * Counts a call that arrived.
 * @throws Error when the sandbox should have refused it by itself, or did not wait for the answer to the one before
 */
export function assertMayCall(n: number, name: string, requestBytes: number, run: CurrentRun): HostCalls {
  const { hostCalls } = run.job;
  if (!hostCalls?.methods.includes(name)) throw new Error(`call of ${name}`);
  if (run.calling) throw new Error('a call before the answer to the one before');
  if (n !== run.calls || n >= hostCalls.maxCalls) throw new Error(`call number ${n}`);
  if (requestBytes > hostCalls.maxRequestBytes) throw new Error(`a request of ${requestBytes} bytes`);
  run.calls++;
  run.calling = true;
  return hostCalls;
}

/**
 * @param processCpuMs CPU time of the process's whole life, as the kernel says; undefined where that cannot be read
 * @throws Error when no run under these limits can have used so much
 */
export function assertPossible(
  { cpuMs, peakMemoryBytes, bytesOut }: Usage,
  { job, startedAt }: CurrentRun,
  processCpuMs: () => number | undefined,
): void {
  const { maxMemoryPages, maxOutputBytes } = job.limits;
  if (peakMemoryBytes > maxMemoryPages * PAGE_BYTES) throw new Error(`${peakMemoryBytes} bytes of memory`);
  if (bytesOut > maxOutputBytes) throw new Error(`${bytesOut} bytes of output`);
  // The report also counts what the engine did after the run before, so the process's whole life decides.
  const isMuch = cpuMs > ENGINE_THREADS * (performance.now() - startedAt);
  if (isMuch && cpuMs > (processCpuMs() ?? Infinity) + 2 * MS_PER_TICK) {
    throw new Error(`${cpuMs} ms of processor time`);
  }
}

/** How a run ends whose process is killed. */
export type Killed = Extract<RunOutcome, { end: 'timed_out' | 'cpu_exhausted' | 'crashed' | 'cancelled' }>;

export const brokenProtocol = (how: string): Killed => ({
  end: 'crashed',
  reason: `the sandbox process broke the protocol: ${printable(how)}`,
});

export const cpuExhausted = ({ limits }: Job): Killed => ({ end: 'cpu_exhausted', limitMs: limits.maxCpuMs });
