import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Best } from './best.js';

describe('the best of many', () => {
  it('are those that sorting would put first, and everyone else is handed back once', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer()), fc.integer({ min: 1, max: 8 }), (offers, size) => {
        const best = new Best<number>(size, (a, b) => a - b);
        const others = offers.map((one) => best.offer(one)).filter((one) => one !== null);
        const sorted = [...offers].sort((a, b) => a - b);
        expect(best.all).toEqual(sorted.slice(0, size));
        expect(others.sort((a, b) => a - b)).toEqual(sorted.slice(size));
      }),
    );
  });
});
