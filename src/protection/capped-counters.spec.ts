import { describe, expect, it } from '@jest/globals';
import { CappedCounters } from './capped-counters.js';

describe('counters of a bounded number of keys', () => {
  const counters = () => new CappedCounters({ points: 2, duration: 60 }, 3);
  const count = (limiter: CappedCounters, key: string) =>
    limiter.get(key).then((found) => found && found.consumedPoints);

  it('forget the key that was used longest ago when one too many comes', async () => {
    const limiter = counters();
    for (const key of ['a', 'b', 'c', 'a', 'd']) await limiter.consume(key);
    expect(await count(limiter, 'a')).toBe(2);
    expect(await count(limiter, 'b')).toBeNull();
    expect(await count(limiter, 'd')).toBe(1);
  });

  it('go on counting a key at its limit while others come and go', async () => {
    const limiter = counters();
    for (let round = 0; round < 2; round++) await limiter.consume('busy');
    for (let other = 0; other < 10; other++) {
      await limiter.consume(`other ${other}`);
      await expect(limiter.consume('busy')).rejects.toMatchObject({ remainingPoints: 0 });
    }
  });
});
