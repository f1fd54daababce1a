import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ScoreboardDto } from './index.js';
import { explain, verify } from './explanation.js';
import { type Bid, scoreBids, type Scoring } from './scoring.js';

const WEIGHTS = { price: 0.3, quality: 0.3, speed: 0.2, reputation: 0.2 };
const MINMAX: Scoring = { strategy: 'minmax', explore: false };
const ABSOLUTE: Scoring = {
  strategy: 'absolute',
  explore: false,
  scale: { budget: 6, limit_ms: 30_000, half_reputation: 20 },
};

const drawnBids = fc
  .array(
    fc.record({
      priceMicro: fc.bigInt({ min: 0n, max: 5_000_000n }),
      rating: fc.double({ min: 0, max: 5, noNaN: true }),
      estimatedMs: fc.integer({ min: 1, max: 60_000 }),
      tasksCompleted: fc.nat(1000),
      capabilityMatch: fc.constantFrom(0.5, 1),
    }),
    { minLength: 2, maxLength: 8 },
  )
  .map((drawn) => drawn.map((changes, index) => bid(`agent-${index}`, changes)));

describe.each([
  ['minmax', MINMAX],
  ['absolute', ABSOLUTE],
])('the explanation of an auction under %s', (_name, scoring) => {
  it('splits every total into its weighted terms', () => {
    fc.assert(
      fc.property(drawnBids, (bids) => {
        for (const { weighted, total } of explain(board(bids, scoring)).bids) {
          expect(Object.values(weighted).reduce((a, b) => a + b, 0)).toBeCloseTo(total, 12);
        }
      }),
    );
  });

  it('names the very price at which the runner-up starts to win', () => {
    fc.assert(
      fc.property(drawnBids, (bids) => {
        const { counterfactual, bids: ranked } = explain(board(bids, scoring));
        const runnerUp = ranked[1].agent_id;
        const winsAt = (priceMicro: bigint) =>
          board(
            bids.map((one) => (one.agentId === runnerUp ? { ...one, priceMicro } : one)),
            scoring,
          ).bids[0].agent_id === runnerUp;
        expect(counterfactual?.agent_id).toBe(runnerUp);
        const price = counterfactual!.wins_at_price;
        if (price === null) return expect(winsAt(0n)).toBe(false);
        const micro = BigInt(Math.round(price * 1e6));
        expect(winsAt(micro)).toBe(true);
        expect(winsAt(micro + 1n)).toBe(false);
      }),
    );
  });

  it('finds every stored figure that was tampered with, after a way through JSON', () => {
    fc.assert(
      fc.property(drawnBids, fc.nat(), (bids, pick) => {
        const stored = JSON.parse(JSON.stringify(board(bids, scoring))) as ScoreboardDto;
        expect(verify(stored)).toEqual({ matches: true, differences: [] });
        const victim = stored.bids[pick % stored.bids.length];
        victim.total += 0.001;
        const { matches, differences } = verify(stored);
        expect(matches).toBe(false);
        expect(differences).toHaveLength(1);
        expect(differences[0]).toContain(`of ${victim.agent_name}, is stored as`);
      }),
    );
  });
});

describe('the counterfactual', () => {
  it('is none when nobody stands second', () => {
    expect(explain(board([bid('a')], MINMAX)).counterfactual).toBeNull();
  });

  it('says so when no price would have done', () => {
    const better = bid('better', { priceMicro: 0n, rating: 5 });
    const { counterfactual } = explain(board([better, bid('worse', { priceMicro: 100n, rating: 1 })], MINMAX));
    expect(counterfactual).toMatchObject({ agent_id: 'worse', wins_at_price: null });
  });
});

function board(bids: Bid[], scoring: Scoring): ScoreboardDto {
  const { bounds, ranking } = scoreBids(bids, WEIGHTS, scoring);
  const scale = scoring.strategy === 'absolute' ? scoring.scale : null;
  const rest = { competitive: true, excluded: [], excluded_count: 0, payment: null };
  return { strategy: scoring.strategy, explored: false, weights: WEIGHTS, bounds, scale, bids: ranking, ...rest };
}

function bid(agentId: string, changes: Partial<Bid> = {}): Bid {
  return {
    agentId,
    agentName: agentId,
    version: '1.0.0',
    priceMicro: 500_000n,
    inputMicro: 0n,
    surge: 1,
    rating: 3.5,
    estimatedMs: 5000,
    tasksCompleted: 0,
    capabilityMatch: 1,
    discovery: false,
    owner: 0,
    ...changes,
    baseMicro: changes.priceMicro ?? 500_000n,
  };
}
