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

  it('have no more of a group than it may have, whenever the limit comes', () => {
    const offers = fc.uniqueArray(fc.integer(), { minLength: 1 });
    fc.assert(
      fc.property(
        offers,
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(20),
        (all, size, most, late) => {
          const groupOf = (one: number) => Math.abs(one % 3);
          const best = new Best<number>(size, (a, b) => a - b);
          // The limit must come before a second group does.
          const first = all.findIndex((one) => groupOf(one) !== groupOf(all[0]));
          const at = Math.min(late, first < 0 ? all.length : first);
          const others = all.flatMap((one, index) => [
            ...(index === at ? best.limitGroups(groupOf, most) : []),
            ...[best.offer(one)].filter((out) => out !== null),
          ]);
          if (at === all.length) others.push(...best.limitGroups(groupOf, most));
          const counts = [0, 0, 0];
          const allowed = [...all].sort((a, b) => a - b).filter((one) => counts[groupOf(one)]++ < most);
          expect(best.all).toEqual(allowed.slice(0, size));
          expect([...others, ...best.all].sort((a, b) => a - b)).toEqual([...all].sort((a, b) => a - b));
        },
      ),
    );
  });
});
