import { describe, expect, it } from '@jest/globals';
import { pauseAfter, throttleAfter } from './retries.js';

describe('the repetitions of a delivery', () => {
  it('spread over a day, and then end', () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((tries) => pauseAfter(tries, () => 0) ?? NaN);
    expect(pauses[0]).toBe(5000);
    expect(pauses.reduce((sum, pause) => sum + pause, 0) / 3_600_000).toBeCloseTo(23.7, 1);
    expect(pauseAfter(11)).toBeUndefined();
    expect(pauseAfter(1, () => 0.999)).toBeLessThan(5501);
  });

  it('make a webhook that fails wait as a whole, for a minute at most', () => {
    expect(throttleAfter(0)).toBe(0);
    expect(throttleAfter(1, () => 0.999)).toBeLessThanOrEqual(1000);
    expect(throttleAfter(1000, () => 0.999)).toBeLessThanOrEqual(60_000);
    expect(throttleAfter(1000, () => 0)).toBe(30_000);
  });
});
