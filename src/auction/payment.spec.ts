import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Candidate } from '../agents/index.js';
import { parseEnvironment } from '../config/index.js';
import { type AuctionRequest, holdAuction } from './auction.js';
import { explain, verify } from './explanation.js';

const BUDGET = 1_000_000n;
const rulesOf = (scoring: 'minmax' | 'absolute', payment: 'ask' | 'second_score' = 'second_score') => ({
  ...parseEnvironment({}).auction,
  scoring,
  payment,
});

interface Seller {
  owner: string;
  costMicro: bigint;
  rating: number;
  estimatedMs: number;
  tasksCompleted: number;
}

const seller = fc.record({
  owner: fc.constantFrom('a', 'b', 'c', 'd'),
  costMicro: fc.bigInt({ min: 0n, max: BUDGET }),
  rating: fc.double({ min: 3, max: 5, noNaN: true }),
  estimatedMs: fc.integer({ min: 1, max: 5000 }),
  tasksCompleted: fc.nat(100),
});
/** A sole owner is paid its ask, so it can name any price within the budget. */
const rivals = fc.array(seller, { minLength: 1, maxLength: 4 });
const price = fc.bigInt({ min: 0n, max: BUDGET + 10n });
/** Bisection finds a price to the micro-credit. */
const ROUNDING = 2n;

describe('second score under `absolute`', () => {
  it('rewards no bid above or below the own cost', () => {
    fc.assert(
      fc.property(seller, rivals, price, (self, others, other) => {
        const me = { ...self, owner: 'self' };
        const honest = profitOf(me, [[me, me.costMicro], ...others.map(asCost)]);
        const strategic = profitOf(me, [[me, other], ...others.map(asCost)]);
        expect(strategic).toBeLessThanOrEqual(honest + ROUNDING);
      }),
      { numRuns: 500 },
    );
  });

  it('rewards no further identities, whatever they bid', () => {
    fc.assert(
      fc.property(seller, rivals, fc.array(price, { minLength: 1, maxLength: 4 }), (self, others, more) => {
        const me = { ...self, owner: 'self' };
        const honest = profitOf(me, [[me, me.costMicro], ...others.map(asCost)]);
        const many = more.map((asked): [Seller, bigint] => [me, asked]);
        expect(profitOf(me, [[me, me.costMicro], ...many, ...others.map(asCost)])).toBeLessThanOrEqual(
          honest + ROUNDING,
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe.each(['minmax', 'absolute'] as const)('what is paid under %s', (scoring) => {
  it('is between ask and budget, follows from the stored bids, and is the ask where no other owner bids', () => {
    fc.assert(
      fc.property(fc.array(seller, { minLength: 1, maxLength: 6 }), (sellers) => {
        const { ranking, scoreboard } = hold(sellers.map(asCost), scoring);
        const explained = explain(scoreboard);
        expect(verify(scoreboard)).toEqual({ matches: true, differences: [] });
        for (const [index, bid] of explained.bids.entries()) {
          if (index > 3) {
            expect([bid.paid, bid.paid_because]).toEqual([null, null]);
            continue;
          }
          expect(ranking[index].priceMicro).toBe(BigInt(Math.round(bid.paid! * 1e6)));
          expect(bid.paid).toBeGreaterThanOrEqual(bid.price);
          expect(bid.paid).toBeLessThanOrEqual(1);
          const alone = explained.bids.slice(index + 1).every(({ owner }) => owner === bid.owner);
          if (alone) expect(bid.paid).toBe(bid.price);
        }
      }),
    );
  });

  it('is the ask under the rule `ask`', () => {
    fc.assert(
      fc.property(fc.array(seller, { minLength: 1, maxLength: 6 }), (sellers) => {
        const { scoreboard } = hold(sellers.map(asCost), scoring, 'ask');
        for (const bid of scoreboard.bids.slice(0, 4)) expect(bid.paid).toBe(bid.price);
        expect(verify(scoreboard).matches).toBe(true);
      }),
    );
  });
});

it('a changed payment does not pass verification', () => {
  const { scoreboard } = hold([offer('a', 100_000n), offer('b', 500_000n)].map(asCost), 'absolute');
  expect(explain(scoreboard).bids[0]).toMatchObject({
    price: 0.1,
    paid: 0.5,
    paid_because: 'It asks 0.1. Up to 0.5 it would still have come before the bids of other owners, first agent-1.',
  });
  scoreboard.bids[0].paid = 0.6;
  expect(verify(scoreboard).differences).toEqual([
    'The payment of bid 1, of agent-0, is stored as 0.6, but follows as 0.5.',
  ]);
});

const offer = (owner: string, costMicro: bigint): Seller => ({
  owner,
  costMicro,
  rating: 4,
  estimatedMs: 100,
  tasksCompleted: 5,
});
const asCost = (one: Seller): [Seller, bigint] => [one, one.costMicro];

/** What an owner earns beyond its cost, if one of its agents wins and does the task. */
function profitOf(me: Seller, bids: [Seller, bigint][]): bigint {
  const { ranking } = hold(bids, 'absolute');
  return ranking[0]?.ownerId === me.owner ? ranking[0].priceMicro - me.costMicro : 0n;
}

function hold(bids: [Seller, bigint][], scoring: 'minmax' | 'absolute', payment?: 'ask' | 'second_score') {
  const candidates = bids.map(([one, asked], index) => candidate(`agent-${index}`, one, asked));
  return holdAuction(candidates, REQUEST, rulesOf(scoring, payment));
}

const REQUEST: AuctionRequest = {
  requiredCapabilities: [],
  budgetMicro: BUDGET,
  weights: null,
  inputBytes: 0,
  luck: 0.5,
  region: null,
  regionRequired: false,
  allow: [],
  limitMs: 5000,
};

const candidate = (
  agentId: string,
  { owner, rating, estimatedMs, tasksCompleted }: Seller,
  asked: bigint,
): Candidate => ({
  agentId,
  revision: '1',
  ownerId: owner,
  name: agentId,
  capabilities: [],
  pricing: { baseMicro: asked, perKbMicro: 0n, surge: 1, maxConcurrency: null },
  running: 0,
  region: null,
  rating,
  highestRating: 5,
  raters: 0,
  tasksCompleted,
  estimatedMs,
  lastInvitedAt: 0,
  version: '1.0.0',
  sha256: '0'.repeat(64),
  storageRef: `local:${'0'.repeat(64)}`,
  limits: null,
  contract: null,
  permissions: null,
});
