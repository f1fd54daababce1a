import { RateLimiterMemory, RateLimiterRedis, type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';

/** So many points in so many seconds. */
export interface Limit {
  name: string;
  points: number;
  seconds: number;
}

export interface Verdict {
  allowed: boolean;
  limit: Limit;
  remaining: number;
  /** Until the window ends, ms. */
  resetMs: number;
}

/** One window's share that a process counts by itself before it asks Redis. */
const OWN_SHARE = 0.1;

/**
 * Counts in fixed windows, shared between processes where there is Redis.
 *
 * A client far from its limit costs no round trip: each process counts the first tenth of a window in its own memory,
 * hands that number to Redis at once when it is reached, and from there counts in Redis alone. N processes together may
 * so let a client pass its limit by N tenths at most. With Redis away each process counts by itself.
 */
export class RateLimits {
  private readonly pairs = new Map<string, { own: RateLimiterMemory; shared?: RateLimiterAbstract }>();

  /** @param redis an ioredis client; unset: this process counts by itself */
  constructor(
    private readonly prefix: string,
    private readonly redis?: object,
  ) {}

  async take(limit: Limit, key: string): Promise<Verdict> {
    const { own, shared } = this.pair(limit);
    const counted = await consumed(own, key, 1);
    const share = Math.floor(limit.points * OWN_SHARE);
    if (!shared || counted.consumedPoints <= share) return verdict(limit, counted);
    return verdict(limit, await consumed(shared, key, counted.consumedPoints === share + 1 ? share + 1 : 1));
  }

  /** Takes one point back: what it was taken for did not count. */
  async giveBack(limit: Limit, key: string): Promise<void> {
    const { own, shared } = this.pair(limit);
    await Promise.all([own.reward(key, 1), shared?.reward(key, 1)]).catch(() => undefined);
  }

  async forget(limit: Limit, key: string): Promise<void> {
    const { own, shared } = this.pair(limit);
    await Promise.all([own.delete(key), shared?.delete(key)]).catch(() => undefined);
  }

  private pair(limit: Limit): { own: RateLimiterMemory; shared?: RateLimiterAbstract } {
    const known = this.pairs.get(limit.name);
    if (known) return known;
    const options = { keyPrefix: `${this.prefix}:limit:${limit.name}`, points: limit.points, duration: limit.seconds };
    const own = new RateLimiterMemory(options);
    const shared =
      this.redis &&
      new RateLimiterRedis({
        ...options,
        storeClient: this.redis,
        rejectIfRedisNotReady: true,
        insuranceLimiter: new RateLimiterMemory(options),
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
  remaining: Math.max(0, limit.points - consumedPoints),
  resetMs: Math.max(0, msBeforeNext),
});
