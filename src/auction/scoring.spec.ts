import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Bid, scoreBids as scoreBidsWith, type Scoring } from './scoring.js';

const WEIGHTS = { price: 0.3, quality: 0.3, speed: 0.2, reputation: 0.2 };

const MINMAX: Scoring = { strategy: 'minmax', explore: false };
const ABSOLUTE: Scoring = {
  strategy: 'absolute',
  explore: false,
  scale: { budget: 5, limit_ms: 30_000, half_reputation: 20 },
};

const scoreBids = (bids: readonly Bid[], weights: typeof WEIGHTS, scoring: Scoring = MINMAX) =>
  scoreBidsWith(bids, weights, scoring);

describe('the default scoring', () => {
  it('gives the totals computed by hand', () => {
    const { bounds, ranking } = scoreBids(
      [
        bid('cheap', { priceMicro: 200_000n, rating: 4, estimatedMs: 3000, tasksCompleted: 50 }),
        bid('fast', { priceMicro: 1_000_000n, rating: 5, estimatedMs: 1000, tasksCompleted: 100 }),
        bid('middling', { priceMicro: 600_000n, rating: 3, estimatedMs: 2500, tasksCompleted: 0 }),
      ],
      WEIGHTS,
    );
    expect(bounds).toEqual({ min_price: 0.2, max_price: 1, min_ms: 1000, max_ms: 3000, max_tasks_completed: 100 });
    // fast     0.3·0   + 0.3·1   + 0.2·1    + 0.2·1   = 0.70
    // cheap    0.3·1   + 0.3·0.8 + 0.2·0    + 0.2·0.5 = 0.64
    // middling 0.3·0.5 + 0.3·0.6 + 0.2·0.25 + 0.2·0   = 0.38
    const expected = [
      ['fast', { price: 0, quality: 1, speed: 1, reputation: 1 }, 0.7],
      ['cheap', { price: 1, quality: 0.8, speed: 0, reputation: 0.5 }, 0.64],
      ['middling', { price: 0.5, quality: 0.6, speed: 0.25, reputation: 0 }, 0.38],
    ] as const;
    expect(ranking.map((scored) => scored.rank)).toEqual([1, 2, 3]);
    for (const [index, [agent, terms, total]] of expected.entries()) {
      expect(ranking[index].agent_id).toBe(agent);
      for (const [term, value] of Object.entries(terms)) {
        expect(ranking[index].terms[term as keyof typeof terms]).toBeCloseTo(value, 12);
      }
      expect(ranking[index].total).toBeCloseTo(total, 12);
    }
  });

  it('multiplies the whole by the capability match', () => {
    const { ranking } = scoreBids(
      [bid('half', { rating: 5, tasksCompleted: 9, capabilityMatch: 0.5 }), bid('whole', { rating: 3 })],
      WEIGHTS,
    );
    // half (0.3·1 + 0.3·1 + 0.2·1 + 0.2·1)·0.5 = 0.5, whole 0.3·1 + 0.3·0.6 + 0.2·1 + 0.2·0 = 0.68
    expect(ranking.map(({ agent_id }) => agent_id)).toEqual(['whole', 'half']);
    expect(ranking[0].total).toBeCloseTo(0.68, 12);
    expect(ranking[1].total).toBeCloseTo(0.5, 12);
  });

  it('gives full marks for price and speed when all are equal, and none for reputation that nobody has', () => {
    const { ranking } = scoreBids([bid('a', { rating: 5 }), bid('b', { rating: 5 }), bid('c', { rating: 5 })], WEIGHTS);
    for (const { terms, total } of ranking) {
      expect(terms).toEqual({ price: 1, quality: 1, speed: 1, reputation: 0 });
      expect(total).toBeCloseTo(0.8, 12);
    }
  });

  it('scores a lone bid, a free one too', () => {
    const { bounds, ranking } = scoreBids([bid('a', { priceMicro: 0n, rating: 0, estimatedMs: 1 })], WEIGHTS);
    expect(bounds).toEqual({ min_price: 0, max_price: 0, min_ms: 1, max_ms: 1, max_tasks_completed: 0 });
    expect(ranking[0]).toMatchObject({ rank: 1, price: 0, terms: { price: 1, quality: 0, speed: 1, reputation: 0 } });
    expect(ranking[0].total).toBeCloseTo(0.5, 12);
  });

  it('ranks nobody when nobody bids', () => {
    expect(scoreBids([], WEIGHTS)).toEqual({ bounds: null, ranking: [] });
  });

  it('breaks ties by the lower price, then the higher rating, then the smaller id', () => {
    const onlyReputation = { price: 0, quality: 0, speed: 0, reputation: 1 };
    const { ranking } = scoreBids(
      [
        bid('d', { priceMicro: 2n, rating: 5 }),
        bid('c', { priceMicro: 1n, rating: 4 }),
        bid('b', { priceMicro: 1n, rating: 4 }),
        bid('a', { priceMicro: 1n, rating: 3 }),
      ],
      onlyReputation,
    );
    expect(ranking.map(({ agent_id }) => agent_id)).toEqual(['b', 'c', 'a', 'd']);
    expect(new Set(ranking.map(({ total }) => total)).size).toBe(1);
  });
});

const drawnBid = fc.record({
  priceMicro: fc.bigInt({ min: 0n, max: 5_000_000n }),
  rating: fc.double({ min: 0, max: 5, noNaN: true }),
  estimatedMs: fc.integer({ min: 1, max: 300_000 }),
  tasksCompleted: fc.integer({ min: 0, max: 1_000_000 }),
  capabilityMatch: fc.constantFrom(0, 0.25, 0.5, 1),
});
const drawnBids = fc
  .array(drawnBid, { minLength: 1, maxLength: 12 })
  .map((drawn) => drawn.map((changes, index) => bid(`agent-${String.fromCharCode(97 + index)}`, changes)));
const drawnWeights = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.nat(9), fc.nat(9), fc.nat(9))
  .map(([a, b, c, d]) => [a, b, c, d].map((weight) => weight / (a + b + c + d)))
  .map(([price, quality, speed, reputation]) => ({ price, quality, speed, reputation }));

describe.each([
  ['minmax', MINMAX],
  ['absolute', ABSOLUTE],
])('under %s, whatever is bid', (_name, scoring) => {
  it('terms and totals stay within 0 and 1, and ranks follow the totals', () => {
    fc.assert(
      fc.property(drawnBids, drawnWeights, (bids, weights) => {
        const { ranking } = scoreBids(bids, weights, scoring);
        expect(ranking.map(({ rank }) => rank)).toEqual(bids.map((_, index) => index + 1));
        for (const { terms, total } of ranking) {
          for (const figure of [...Object.values(terms), total]) {
            expect(figure).toBeGreaterThanOrEqual(0);
            expect(figure).toBeLessThanOrEqual(1 + 1e-12);
          }
        }
        const totals = ranking.map(({ total }) => total);
        expect(totals).toEqual([...totals].sort((a, b) => b - a));
      }),
    );
  });

  it('the order in which bids arrive decides nothing', () => {
    fc.assert(
      fc.property(
        drawnBids.chain((bids) => fc.tuple(fc.constant(bids), fc.shuffledSubarray(bids, { minLength: bids.length }))),
        drawnWeights,
        ([bids, shuffled], weights) => {
          expect(scoreBids(shuffled, weights, scoring)).toEqual(scoreBids(bids, weights, scoring));
        },
      ),
    );
  });

  it('the names of agents decide nothing but ties', () => {
    fc.assert(
      fc.property(drawnBids, drawnWeights, (bids, weights) => {
        // The same order of ids, so that ties fall alike.
        const renamed = bids.map((one) => ({ ...one, agentId: `x-${one.agentId}`, agentName: 'Somebody Else' }));
        const before = scoreBids(bids, weights, scoring).ranking.map(({ agent_id, total }) => [`x-${agent_id}`, total]);
        const after = scoreBids(renamed, weights, scoring).ranking.map(({ agent_id, total }) => [agent_id, total]);
        expect(after).toEqual(before);
      }),
    );
  });

  it.each<[string, (better: Bid, bids: Bid[]) => Partial<Bid>]>([
    ['asks less', (one) => ({ priceMicro: one.priceMicro / 2n })],
    ['is rated better', (one) => ({ rating: (one.rating + 5) / 2 })],
    ['is faster', (one) => ({ estimatedMs: Math.ceil(one.estimatedMs / 2) })],
    ['has completed more', (one) => ({ tasksCompleted: one.tasksCompleted * 2 + 1 })],
    ['matches better', (one) => ({ capabilityMatch: Math.min(1, one.capabilityMatch + 0.5) })],
  ])('an agent that %s is never ranked lower for it', (_, improve) => {
    fc.assert(
      fc.property(drawnBids, drawnWeights, fc.nat(), (bids, weights, pick) => {
        const chosen = bids[pick % bids.length];
        const improved = bids.map((one) => (one === chosen ? { ...one, ...improve(one, bids) } : one));
        const rankIn = (all: Bid[]) =>
          scoreBids(all, weights, scoring).ranking.findIndex(({ agent_id }) => agent_id === chosen.agentId);
        expect(rankIn(improved)).toBeLessThanOrEqual(rankIn(bids));
      }),
    );
  });

  it('a bidder that bids twice changes nothing for the others', () => {
    fc.assert(
      fc.property(drawnBids, drawnWeights, fc.nat(), (bids, weights, pick) => {
        const twin = { ...bids[pick % bids.length], agentId: 'twin' };
        const without = scoreBids(bids, weights, scoring).ranking;
        const others = scoreBids([...bids, twin], weights, scoring).ranking.filter(
          ({ agent_id }) => agent_id !== 'twin',
        );
        expect(others.map(({ agent_id, total }) => [agent_id, total])).toEqual(
          without.map(({ agent_id, total }) => [agent_id, total]),
        );
      }),
    );
  });

  it('the unit that money is counted in decides nothing', () => {
    fc.assert(
      fc.property(drawnBids, drawnWeights, fc.integer({ min: 2, max: 1000 }), (bids, weights, factor) => {
        const scaled = bids.map((one) => ({ ...one, priceMicro: one.priceMicro * BigInt(factor) }));
        const scaledScoring: Scoring =
          scoring.strategy === 'minmax'
            ? scoring
            : { ...scoring, scale: { ...scoring.scale, budget: scoring.scale.budget * factor } };
        const totals = ({ ranking }: ReturnType<typeof scoreBids>) =>
          new Map(ranking.map(({ agent_id, total }) => [agent_id, total]));
        const before = totals(scoreBids(bids, weights, scoring));
        for (const [agentId, total] of totals(scoreBids(scaled, weights, scaledScoring))) {
          expect(total).toBeCloseTo(before.get(agentId) as number, 9);
        }
      }),
    );
  });
});

describe('an irrelevant bidder', () => {
  const a = bid('a', { priceMicro: 1_000_000n, rating: 4.8 });
  const b = bid('b', { priceMicro: 950_000n, rating: 4 });
  const dear = bid('c', { priceMicro: 5_000_000n, rating: 3 });
  const winner = (bids: Bid[], scoring: Scoring) => scoreBids(bids, WEIGHTS, scoring).ranking[0].agent_id;

  it('turns the result round under minmax', () => {
    expect(winner([a, b], MINMAX)).toBe('b');
    expect(winner([a, b, dear], MINMAX)).toBe('a');
  });

  it('does not under absolute', () => {
    expect(winner([a, b], ABSOLUTE)).toBe('a');
    expect(winner([a, b, dear], ABSOLUTE)).toBe('a');
  });

  it('never changes the score or the order of the others under absolute', () => {
    fc.assert(
      fc.property(drawnBids, drawnBid, drawnWeights, (bids, extra, weights) => {
        const { ranking } = scoreBids([...bids, bid('extra', extra)], weights, ABSOLUTE);
        const others = ranking.filter(({ agent_id }) => agent_id !== 'extra').map((scored) => ({ ...scored, rank: 0 }));
        const alone = scoreBids(bids, weights, ABSOLUTE).ranking.map((scored) => ({ ...scored, rank: 0 }));
        expect(others).toEqual(alone);
      }),
    );
  });
});

function bid(agentId: string, changes: Partial<Bid> = {}): Bid {
  return {
    agentId,
    agentName: agentId,
    version: '1.0.0',
    baseMicro: 0n,
    inputMicro: 0n,
    surge: 1,
    priceMicro: 500_000n,
    rating: 3.5,
    estimatedMs: 5000,
    tasksCompleted: 0,
    capabilityMatch: 1,
    discovery: false,
    owner: 0,
    ...changes,
  };
}
