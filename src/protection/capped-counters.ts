import { type IRateLimiterOptions, RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';

/** Enough for the clients of a busy minute; each key takes about half a kilobyte. */
const MAX_KEYS = 50_000;

/**
 * Counters in this process's memory, of a bounded number of keys. Clients choose many keys (addresses, emails), so without a
 * bound a flood of new ones would fill the memory. Past it, the key that was used longest ago is forgotten: a client at its
 * limit that goes on is still counted.
 */
export class CappedCounters extends RateLimiterMemory {
  /** From the one used longest ago to the one used last. */
  private readonly keys = new Set<string>();

  constructor(
    options: IRateLimiterOptions,
    private readonly maxKeys = MAX_KEYS,
  ) {
    super(options);
  }

  override consume(key: string, points?: number, options?: object): Promise<RateLimiterRes> {
    this.touch(key);
    return super.consume(key, points, options);
  }

  override reward(key: string, points?: number, options?: object): Promise<RateLimiterRes> {
    this.touch(key);
    return super.reward(key, points, options);
  }

  override delete(key: string): Promise<boolean> {
    this.keys.delete(key);
    return super.delete(key);
  }

  private touch(key: string): void {
    this.keys.delete(key);
    this.keys.add(key);
    if (this.keys.size <= this.maxKeys) return;
    const [oldest] = this.keys;
    this.delete(oldest).catch(() => undefined); // in memory, so it is done at once
  }
}
