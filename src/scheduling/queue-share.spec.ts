import { describe, expect, it } from '@jest/globals';
import { assert, array, constantFrom, integer, property, record } from 'fast-check';
import { type Line, refusalOf } from './queue-share.js';

/** Ten of its places are kept for accounts with one task. */
const LINE: Line = { places: 100, perAccount: 1000 };

describe('the share of an account in a line', () => {
  it('is half of the places that are not kept, for an account that is alone', () => {
    expect(refusalOf(LINE, { all: 0, own: 0 }, 45)).toBeNull();
    expect(refusalOf(LINE, { all: 0, own: 0 }, 46)).toEqual({ limit: 'share', most: 45 });
    expect(refusalOf(LINE, { all: 45, own: 45 }, 1)).toEqual({ limit: 'share', most: 45 });
  });

  it('leaves the kept places to accounts that have no tasks, down to the last place', () => {
    expect(refusalOf(LINE, { all: 90, own: 1 }, 1)).toEqual({ limit: 'share', most: 1 });
    expect(refusalOf(LINE, { all: 90, own: 0 }, 2)).toEqual({ limit: 'share', most: 1 });
    expect(refusalOf(LINE, { all: 99, own: 0 }, 1)).toBeNull();
    expect(refusalOf(LINE, { all: 100, own: 0 }, 1)).toEqual({ limit: 'line', most: 100 });
  });

  it('takes a batch as a whole or not at all', () => {
    const few = { places: 10_000, perAccount: 1000 };
    expect(refusalOf(few, { all: 9995, own: 0 }, 5)).toBeNull();
    expect(refusalOf(few, { all: 9995, own: 0 }, 6)).toEqual({ limit: 'line', most: 10_000 });
  });

  it('is never more than an account may have at all', () => {
    expect(refusalOf({ ...LINE, perAccount: 5 }, { all: 5, own: 5 }, 1)).toEqual({ limit: 'account', most: 5 });
  });

  it('keeps room for a newcomer, however the others submit', () => {
    const submissions = array(
      record({ account: constantFrom('a', 'b', 'c', 'd'), count: integer({ min: 1, max: 60 }) }),
    );
    assert(
      property(submissions, (made) => {
        const own = new Map<string, number>();
        let all = 0;
        for (const { account, count } of made) {
          const has = own.get(account) ?? 0;
          if (refusalOf(LINE, { all, own: has }, count)) continue;
          own.set(account, has + count);
          all += count;
        }
        // An account that comes last takes half of what the others leave: at most 45, 23, 11 and 6.
        expect(all).toBeLessThanOrEqual(85);
        expect(refusalOf(LINE, { all, own: 0 }, 3)).toBeNull();
      }),
    );
  });
});
