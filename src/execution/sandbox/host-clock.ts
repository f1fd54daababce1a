import { ERRNO, HostError } from './errno.js';

/** WASI preview 1's clock ids. */
const REALTIME = 0;
const MONOTONIC = 1;
const PROCESS_CPU = 2;
const THREAD_CPU = 3;

const NANOSECONDS_PER_MS = 1_000_000n;

/** Some runtimes (Go's) take a monotonic clock at 0 for broken. */
const MONOTONIC_START_MS = 1000;

/**
 * The clocks of one run. They tick in milliseconds: nothing an agent needs is finer, while measuring caches and other
 * processes is. All but the wall clock start with the run, so that they say nothing about the process around it.
 */
export class HostClock {
  private readonly startedAt = performance.now();
  private readonly cpuAtStart = process.cpuUsage();

  constructor(private readonly timeoutMs: number) {}

  /** @throws HostError `EINVAL` for an unknown clock */
  resolution(id: number): bigint {
    this.now(id);
    return NANOSECONDS_PER_MS;
  }

  /** Nanoseconds. @throws HostError `EINVAL` for an unknown clock */
  now(id: number): bigint {
    return BigInt(Math.floor(this.milliseconds(id))) * NANOSECONDS_PER_MS;
  }

  /** Blocks for `ms`, but not beyond the run's deadline, at which the server kills the process. */
  sleep(ms: number): void {
    const left = this.startedAt + this.timeoutMs - performance.now();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.max(0, Math.min(ms, left)));
  }

  private milliseconds(id: number): number {
    switch (id) {
      case REALTIME:
        return Date.now();
      case MONOTONIC:
        return MONOTONIC_START_MS + performance.now() - this.startedAt;
      case PROCESS_CPU:
      case THREAD_CPU: {
        const { user, system } = process.cpuUsage(this.cpuAtStart);
        return (user + system) / 1000;
      }
      default:
        throw new HostError(ERRNO.inval);
    }
  }
}
