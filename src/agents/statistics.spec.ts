import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { estimateDurationMs, nextP80, smoothedRating } from './statistics.js';

describe('the duration estimate', () => {
  it('settles near the 80th percentile of what runs really took', () => {
    let estimate: number | null = null;
    for (let run = 0; run < 5000; run++) estimate = nextP80(estimate, 1 + ((run * 7919) % 1000));
    expect(estimate).toBeGreaterThan(600);
    expect(estimate).toBeLessThan(950);
  });

  it('forgets an old speed', () => {
    let estimate: number | null = null;
    for (let run = 0; run < 100; run++) estimate = nextP80(estimate, 10);
    for (let run = 0; run < 100; run++) estimate = nextP80(estimate, 1000);
    expect(estimate).toBeGreaterThan(900);
  });

  it('stays positive and finite whatever the runs took', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1 }), (durations) => {
        const estimate = durations.reduce<number | null>(nextP80, null) as number;
        expect(estimate).toBeGreaterThan(0);
        expect(Number.isFinite(estimate)).toBe(true);
      }),
    );
  });

  it('takes the owner’s word only while there is no history', () => {
    expect(estimateDurationMs(12.4, 900)).toBe(12);
    expect(estimateDurationMs(null, 900)).toBe(900);
    expect(estimateDurationMs(null, null)).toBe(5000);
  });
});

describe('the smoothed rating', () => {
  const prior = { mean: 3.5, weight: 5 };

  it('starts at the prior and is moved, not replaced, by the first vote', () => {
    expect(smoothedRating(0, 0, prior)).toBe(3.5);
    expect(smoothedRating(5, 1, prior)).toBeCloseTo(3.75);
  });

  it('approaches the mean of the votes as they grow in number', () => {
    expect(smoothedRating(4800, 1000, prior)).toBeCloseTo(4.79, 2);
  });
});
