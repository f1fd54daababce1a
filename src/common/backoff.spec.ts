import { describe, expect, it } from '@jest/globals';
import { pauseBefore } from './backoff.js';

describe('a backoff', () => {
  it('doubles each time, up to a minute, half of it random', () => {
    const longest = Array.from({ length: 10 }, (_, n) => pauseBefore(n + 1, () => 1));
    const shortest = Array.from({ length: 10 }, (_, n) => pauseBefore(n + 1, () => 0));
    expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(shortest).toEqual(longest.map((ms) => ms / 2));
  });
});
