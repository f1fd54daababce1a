import { describe, expect, it } from '@jest/globals';
import { isDeeperThan } from './json.js';

describe('the depth of a JSON value', () => {
  it('counts arrays and objects, not what is in them', () => {
    expect(isDeeperThan(0, 'text')).toBe(false);
    expect(isDeeperThan(0, null)).toBe(false);
    expect(isDeeperThan(0, {})).toBe(true);
    expect(isDeeperThan(1, [1, 2, 3])).toBe(false);
    expect(isDeeperThan(1, [[]])).toBe(true);
    expect(isDeeperThan(2, { a: [1, 'two', null], b: { c: false } })).toBe(false);
    expect(isDeeperThan(2, [1, { a: 1, b: { c: 1 } }])).toBe(true);
  });

  it('is found in values that would overflow the stack of anything recursive', () => {
    const tower = JSON.parse('['.repeat(5000) + ']'.repeat(5000)) as unknown;
    let deep: unknown = tower;
    for (let depth = 5000; depth < 200_000; depth++) deep = [deep];
    expect(isDeeperThan(200_000, deep)).toBe(false);
    expect(isDeeperThan(199_999, deep)).toBe(true);
  });
});
