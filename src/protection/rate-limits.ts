import { RateLimiterRedis, type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import { CappedCounters } from './capped-counters.js';

/** So many points in so many seconds. */
export interface Limit {
  name: string;
  points: number;
  seconds: number;
  /** Counted in Redis from the first on, so that what was counted can be taken back. */
  exact?: boolean;
}

export type ExactLimit = Limit & { exact: true };

export interface Verdict {
  allowed: boolean;
  limit: Limit;
  /** How many points its window has had, this one's included. */
  count: number;
  remaining: number;
  /** Until the window ends, ms. */
  resetMs: number;
}

/** How long to wait before one tries again, seconds. */
export const retryAfter = ({ resetMs }: Verdict): number => Math.max(1, Math.ceil(resetMs / 1000));

/** One window's share that a process counts by itself before it asks Redis. */
const OWN_SHARE = 0.1;

/**
 * Counts in fixed windows, shared between processes where there is Redis.
 *
 * A client far from its limit costs no round trip: each process counts the first tenth of a window in its own memory,
 * hands that number to Redis at once when it is reached, and from there counts in Redis alone. N processes together may
 * so let a client pass its limit by N tenths at most. An exact limit is counted in Redis alone. With Redis away each process
 * counts by itself.
 */
export class RateLimits {
  private readonly pairs = new Map<string, { own: CappedCounters; shared?: RateLimiterAbstract }>();

  /** @param redis an ioredis client; unset: this process counts by itself */
  constructor(
    private readonly prefix: string,
    private readonly redis?: object,
  ) {}

  async take(limit: Limit, key: string, points = 1): Promise<Verdict> {
    const { own, shared } = this.pair(limit);
    if (shared && limit.exact) return verdict(limit, await consumed(shared, key, points));
    const counted = await consumed(own, key, points);
    const share = Math.floor(limit.points * OWN_SHARE);
    if (!shared || counted.consumedPoints <= share) return verdict(limit, counted);
    const isFirstPast = counted.consumedPoints - points <= share;
    return verdict(limit, await consumed(shared, key, isFirstPast ? counted.consumedPoints : points));
  }

  /** Takes points back: what they were taken for did not count. */
  async giveBack(limit: ExactLimit, key: string, points = 1): Promise<void> {
    await this.counter(limit)
      .reward(key, points)
      .catch(() => undefined);
  }

  async forget(limit: ExactLimit, key: string): Promise<void> {
    await this.counter(limit)
      .delete(key)
      .catch(() => undefined);
  }

  private counter(limit: ExactLimit): RateLimiterAbstract {
    const { own, shared } = this.pair(limit);
    return shared ?? own;
  }

  private pair(limit: Limit): { own: CappedCounters; shared?: RateLimiterAbstract } {
    const known = this.pairs.get(limit.name);
    if (known) return known;
    const options = { keyPrefix: `${this.prefix}:limit:${limit.name}`, points: limit.points, duration: limit.seconds };
    const own = new CappedCounters(options);
    const shared =
      this.redis &&
      new RateLimiterRedis({
        ...options,
        storeClient: this.redis,
        rejectIfRedisNotReady: true,
        insuranceLimiter: new CappedCounters(options),
      });
    const pair = { own, shared };
    this.pairs.set(limit.name, pair);
    return pair;
  }
}

async function consumed(limiter: RateLimiterAbstract, key: string, points: number): Promise<RateLimiterRes> {
  try {
    return await limiter.consume(key, points);
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return refusal;
    throw refusal;
  }
}

const verdict = (limit: Limit, { consumedPoints, msBeforeNext }: RateLimiterRes): Verdict => ({
  allowed: consumedPoints <= limit.points,
  limit,
  count: consumedPoints,
  remaining: Math.max(0, limit.points - consumedPoints),
  resetMs: Math.max(0, msBeforeNext),
});
