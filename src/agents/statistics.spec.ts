import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { estimateDurationMs, highestRating, nextP80, smoothedRating } from './statistics.js';

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

  const RULES = { historyTasks: 5, unprovenMs: 1000 };
  const seen = (
    tasksCompleted: number,
    durationP80Ms: number | null,
    declaredMs: number | null,
    estimateRatio = 1,
  ) => ({
    tasksCompleted,
    durationP80Ms,
    declaredMs,
    estimateRatio: durationP80Ms === null ? null : estimateRatio,
  });

  it.each([
    ['a promise of 1 ms without history', seen(0, null, 1), 1000],
    ['a slower promise without history', seen(0, null, 4000), 4000],
    ['no promise and no history', seen(0, null, null), 5000],
    ['four fast runs', seen(4, 2, 1), 1000],
    ['four runs slower than promised', seen(4, 3000, 1), 3000],
    ['five fast runs', seen(5, 2, 1), 2],
    ['history against a declared duration', seen(5, 12.4, 900), 12],
    ['completed tasks from before durations were recorded', seen(5, null, 900), 900],
    ['history to two digits', seen(50, 1234, null), 1200],
  ])('is for %s as the rules say', (_, history, expected) => {
    expect(estimateDurationMs(history, RULES)).toBe(expected);
  });

  it('grows when bids promised too little, tenfold at most, and never falls below what was seen', () => {
    const after = (ratio: number) => estimateDurationMs(seen(50, 100, 1, ratio), RULES);
    expect([0.2, 1, 1.5, 4, 1000].map(after)).toEqual([100, 100, 150, 400, 1000]);
  });
});

describe('the highest rating that votes leave possible', () => {
  const after = (raters: number, mean: number) => highestRating(raters, raters * mean);

  it('falls below 3 by the worst votes of six accounts, and not by those of five', () => {
    expect(highestRating(0, 0)).toBe(5);
    expect(after(2, 1)).toBeGreaterThan(4);
    expect(after(5, 1)).toBeGreaterThan(3);
    expect(after(6, 1)).toBeLessThan(3);
  });

  it('approaches the mean as more accounts vote, and never exceeds 5', () => {
    expect(after(10, 2.5)).toBeGreaterThan(3);
    expect(after(1000, 2.5)).toBeCloseTo(2.65, 2);
    expect(after(3, 5)).toBe(5);
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
