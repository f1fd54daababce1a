import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Bid as Page, reweigh, shift, TERMS, type Weights } from '../../console/src/lib/scoring.js';
import { weightedTerms, type Bid, scoreBids } from '../../src/auction/scoring.js';
import { amountFromWire } from '../../src/common/money.js';

const EQUAL: Weights = { price: 0.25, quality: 0.25, speed: 0.25, reputation: 0.25 };

/** A bid of the server, with figures as auctions have them. */
const bid = fc.record({
  price: fc.integer({ min: 1, max: 500 }).map((cents) => cents / 100),
  rating: fc.double({ min: 0, max: 5, noNaN: true }),
  estimatedMs: fc.integer({ min: 1, max: 30_000 }),
  tasksCompleted: fc.integer({ min: 0, max: 5000 }),
  capabilityMatch: fc.constantFrom(0.5, 1),
});
const percents = fc
  .array(fc.integer({ min: 0, max: 100 }), { minLength: 3, maxLength: 3 })
  .map((cuts) => [0, ...cuts.sort((a, b) => a - b), 100].map((cut) => cut / 100))
  .map(([a, b, c, d, e]): Weights => ({ price: b - a, quality: c - b, speed: d - c, reputation: e - d }));

/** The page does not show payments yet. */
const UNPAID = { paid_because: null };

describe('the weights of a simulated auction', () => {
  it('rank bids in the page as the server would', () => {
    fc.assert(
      fc.property(fc.array(bid, { minLength: 1, maxLength: 8 }), percents, (bids, weights) => {
        const asked = bids.map(({ price, ...figures }, index): Bid => ({
          ...figures,
          agentId: `agent-${index}`,
          agentName: `Agent ${index}`,
          version: '1.0.0',
          priceMicro: amountFromWire(price),
          baseMicro: amountFromWire(price),
          inputMicro: 0n,
          surge: 1,
          discovery: false,
          owner: index,
        }));
        const ranked = (by: Weights) => scoreBids(asked, by, { strategy: 'minmax', explore: false }).ranking;
        const shown = ranked(EQUAL).map((row): Page => ({
          ...row,
          weighted: weightedTerms(row.terms, EQUAL, row.capability_match),
          ...UNPAID,
        }));
        const expected = ranked(weights);
        const found = reweigh(shown, weights, false);
        expect(found.map(({ agent_id, rank }) => [agent_id, rank])).toEqual(
          expected.map(({ agent_id, rank }) => [agent_id, rank]),
        );
        for (const [index, { total }] of found.entries()) expect(total).toBeCloseTo(expected[index].total, 12);
      }),
    );
  });

  it('always sum up to one when a mark between two of them moves, and leave the others alone', () => {
    fc.assert(
      fc.property(
        percents,
        fc.integer({ min: 0, max: 2 }),
        fc.double({ min: -1, max: 2, noNaN: true }),
        (weights, mark, share) => {
          const moved = shift(weights, mark, share);
          expect(TERMS.reduce((sum, term) => sum + moved[term], 0)).toBeCloseTo(1, 6);
          for (const term of TERMS) expect(moved[term]).toBeGreaterThanOrEqual(0);
          for (const term of TERMS.filter((_, index) => index !== mark && index !== mark + 1))
            expect(moved[term]).toBe(weights[term]);
        },
      ),
    );
  });
});
