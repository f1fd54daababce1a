import { describe, expect, it } from '@jest/globals';
import { chargeOf } from './charge.js';

describe('the charge for a completed task', () => {
  it('is the price; the owner gets all of it where the market takes no fee', () => {
    expect(chargeOf({ priceMicro: 400_000n, budgetMicro: 1_000_000n }, 0n)).toEqual({
      costMicro: 400_000n,
      ownerMicro: 400_000n,
      feeMicro: 0n,
    });
  });

  it('is split into fee and earnings, the fee rounded down', () => {
    const { ownerMicro, feeMicro } = chargeOf({ priceMicro: 999_999n, budgetMicro: 1_000_000n }, 25_000n);
    expect([ownerMicro, feeMicro]).toEqual([975_000n, 24_999n]);
  });

  it('never exceeds the budget, and always adds up', () => {
    for (const priceMicro of [0n, 1n, 7n, 1_000_000n, 2n ** 60n]) {
      for (const budgetMicro of [0n, 1n, 999_999n, 2n ** 60n]) {
        for (const fee of [0n, 1n, 333_333n, 1_000_000n]) {
          const { costMicro, ownerMicro, feeMicro } = chargeOf({ priceMicro, budgetMicro }, fee);
          expect(costMicro <= budgetMicro && costMicro <= priceMicro).toBe(true);
          expect(ownerMicro >= 0n && feeMicro >= 0n).toBe(true);
          expect(ownerMicro + feeMicro).toBe(costMicro);
        }
      }
    }
  });
});
