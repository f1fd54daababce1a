import { ERRNO, HostError } from './errno.js';

/** WASI preview 1's clock ids. */
const REALTIME = 0;
const MONOTONIC = 1;
const PROCESS_CPU = 2;
const THREAD_CPU = 3;

const NANOSECONDS_PER_US = 1000n;

/** Some runtimes (Go's) take a monotonic clock at 0 for broken. */
const MONOTONIC_START_MS = 1000;

/**
 * The clocks of one run. They tick coarsely, by default in milliseconds: nothing an agent needs is finer, while
 * measuring caches and other processes is. All but the wall clock start with the run, so that they say nothing about
 * the process around it.
 */
export class HostClock {
  private readonly startedAt = performance.now();
  private readonly cpuAtStart = process.cpuUsage();

  /** @param resolutionUs length of a tick, µs */
  constructor(
    private readonly timeoutMs: number,
    private readonly resolutionUs: number,
  ) {}

  /** @throws HostError `EINVAL` for an unknown clock */
  resolution(id: number): bigint {
    this.now(id);
    return BigInt(this.resolutionUs) * NANOSECONDS_PER_US;
  }

  /** Nanoseconds. @throws HostError `EINVAL` for an unknown clock */
  now(id: number): bigint {
    const ticks = Math.floor((this.milliseconds(id) * 1000) / this.resolutionUs);
    return BigInt(ticks) * BigInt(this.resolutionUs) * NANOSECONDS_PER_US;
  }

  /**
   * Nanoseconds of a clock that can be waited for.
   * @throws HostError `EINVAL` for an unknown clock, `ENOTSUP` for one of processor time, which stands still in a wait
   */
  wakeable(id: number): bigint {
    const now = this.now(id);
    if (id !== REALTIME && id !== MONOTONIC) throw new HostError(ERRNO.notsup);
    return now;
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
