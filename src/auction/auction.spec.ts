import { describe, expect, it } from '@jest/globals';
import type { Candidate, PricePolicy } from '../agents/index.js';
import { type AuctionConfig, parseEnvironment } from '../config/index.js';
import { type AuctionRequest, holdAuction } from './auction.js';
import { explain, verify } from './explanation.js';

const RULES = parseEnvironment({}).auction;
/** What the votes of enough accounts make of an agent. */
const DISLIKED = { highestRating: 2.999, raters: 6 };

describe('an auction', () => {
  it('excludes who is rated too low or too dear, with the figures', () => {
    const { ranking, scoreboard } = hold([
      candidate('fits', { pricing: asking(1_000_000n), rating: 3 }),
      candidate('dear', { pricing: asking(1_000_001n) }),
      candidate('poor', { rating: 2.999, ...DISLIKED }),
    ]);
    expect(ranking.map(({ agentId }) => agentId)).toEqual(['fits']);
    expect(scoreboard.excluded_count).toBe(2);
    expect(scoreboard.excluded).toEqual([
      {
        agent_id: 'dear',
        agent_name: 'dear',
        reason: 'over_budget',
        detail: 'It asks 1.000001, the budget is 1.',
      },
      {
        agent_id: 'poor',
        agent_name: 'poor',
        reason: 'rating_too_low',
        detail: expect.stringMatching(/is below 3\.$/),
      },
    ]);
  });

  it('does not exclude an agent for a low rating by few accounts', () => {
    expect(hold([candidate('a', { rating: 1, highestRating: 3, raters: 5 })]).scoreboard.bids).toHaveLength(1);
  });

  it('ranks the candidates as it ranks their bids, with the share of the capabilities each offers', () => {
    const { ranking, scoreboard } = hold(
      [candidate('half', { capabilities: ['a', 'z'] }), candidate('whole', { capabilities: ['a', 'b'] })],
      { requiredCapabilities: ['a', 'b'] },
    );
    expect(ranking.map(({ agentId }) => agentId)).toEqual(['whole', 'half']);
    expect(scoreboard.bids.map((bid) => [bid.agent_id, bid.capability_match, bid.rank])).toEqual([
      ['whole', 1, 1],
      ['half', 0.5, 2],
    ]);
  });

  it('does not see agents that offer nothing of what is required', () => {
    const { scoreboard, failure } = hold([candidate('other', { capabilities: ['play'] })]);
    expect([scoreboard.bids, scoreboard.excluded_count, failure?.code]).toEqual([[], 0, 'NO_AGENT_AVAILABLE']);
  });

  it('asks nothing of anybody when no capability is required', () => {
    const { scoreboard } = hold([candidate('any', { capabilities: [] })], { requiredCapabilities: [] });
    expect(scoreboard.bids[0].capability_match).toBe(1);
  });

  it('lets the task’s own weights decide, whatever their sum', () => {
    const cheapOrFast = [
      candidate('cheap', { pricing: asking(1n), estimatedMs: 9000 }),
      candidate('fast', { pricing: asking(900_000n), estimatedMs: 1 }),
    ];
    const weights = { price: 0, quality: 0, speed: 8, reputation: 2 };
    expect(hold(cheapOrFast).ranking[0].agentId).toBe('cheap');
    const { ranking, scoreboard } = hold(cheapOrFast, { weights });
    expect(ranking[0].agentId).toBe('fast');
    expect(scoreboard.weights).toEqual({ price: 0, quality: 0, speed: 0.8, reputation: 0.2 });
  });

  it('is the same however often it is held', () => {
    const many = crowd(30);
    expect(hold([...many].reverse())).toEqual(hold(many));
  });
});

describe('the seats of an auction', () => {
  it('are for everyone while there are enough', () => {
    const { scoreboard, invited } = hold(crowd(10));
    expect(scoreboard.bids).toHaveLength(10);
    expect(scoreboard.bids.some((bid) => bid.discovery)).toBe(false);
    expect(invited).toEqual([]);
  });

  it('go to the best, but for one that is kept for who waited longest', () => {
    // The better rated were invited before, the last but one never.
    const many = crowd(15).map((one, index) => ({ ...one, lastInvitedAt: index === 13 ? 0 : 1000 + index }));
    const { scoreboard, invited } = hold(many);
    const best = many.slice(0, 9).map(({ agentId }) => agentId);
    expect([...invited].sort()).toEqual([...best, many[13].agentId].sort());
    expect(scoreboard.bids.filter((bid) => bid.discovery).map((bid) => bid.agent_id)).toEqual([many[13].agentId]);
    expect(scoreboard.excluded.map(({ reason }) => reason)).toEqual(Array(5).fill('no_seat'));
  });

  it('all go to the best when the discovery seat is switched off', () => {
    const many = crowd(15).map((one, index) => ({ ...one, lastInvitedAt: 15 - index }));
    const { scoreboard, invited } = hold(many, {}, { discoverySeat: false });
    expect(new Set(invited)).toEqual(new Set(many.slice(0, 10).map(({ agentId }) => agentId)));
    expect(scoreboard.bids.some((bid) => bid.discovery)).toBe(false);
  });

  it('give the award to the one that waited longest as often as is wanted, and say so', () => {
    const many = crowd(15).map((one, index) => ({ ...one, lastInvitedAt: index === 13 ? 0 : 1000 + index }));
    const explore = (luck: number, candidates = many) => hold(candidates, { luck }, { exploration: 0.1 });
    const { ranking, scoreboard } = explore(0.0999);
    expect(ranking[0].agentId).toBe(many[13].agentId);
    expect(scoreboard.explored).toBe(true);
    expect(scoreboard.bids.map(({ rank }) => rank)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(verify(scoreboard)).toEqual({ matches: true, differences: [] });
    expect(explain(scoreboard).counterfactual?.wins_at_price).toBeNull();
    expect(explore(0.1).scoreboard.explored).toBe(false);
    // Everyone is invited: nobody needs to be discovered.
    expect(explore(0, crowd(10)).scoreboard.explored).toBe(false);
  });

  it('put the capability match before the rating, then experience, then price', () => {
    const rules = { maxAgents: 1, discoverySeat: false };
    const seatOf = (...candidates: Candidate[]) => hold(candidates, {}, rules).invited;
    const partial = candidate('partial', { rating: 5 });
    const both = { requiredCapabilities: ['work', 'play'] };
    const whole = candidate('whole', { capabilities: both.requiredCapabilities });
    expect(hold([partial, whole], both, rules).invited).toEqual(['whole']);
    expect(seatOf(candidate('a', { rating: 3.5 }), candidate('b', { rating: 4 }))).toEqual(['b']);
    expect(seatOf(candidate('a'), candidate('b', { tasksCompleted: 1 }))).toEqual(['b']);
    expect(seatOf(candidate('a', { pricing: asking(2n) }), candidate('b', { pricing: asking(1n) }))).toEqual(['b']);
    expect(seatOf(candidate('b'), candidate('a'))).toEqual(['a']);
  });

  it('give an agent that is rated too low a second chance, in few auctions, and in turns', () => {
    const low = (id: string, lastInvitedAt: number) => candidate(id, { rating: 1, ...DISLIKED, lastInvitedAt });
    const all = [low('recent', 2), low('patient', 1), low('dear', 0), ...crowd(10)];
    all[2].pricing = asking(9_000_000n);
    const usual = hold(all, { luck: 0.94 });
    expect(usual.scoreboard.bids.map(({ agent_id }) => agent_id)).not.toContain('patient');
    const { scoreboard, invited } = hold(all, { luck: 0.95 });
    expect(scoreboard.bids).toHaveLength(10);
    expect(scoreboard.bids.filter(({ discovery }) => discovery).map(({ agent_id }) => agent_id)).toEqual(['patient']);
    expect(scoreboard.excluded.map(({ agent_id, reason }) => [agent_id, reason])).toEqual([
      ['dear', 'rating_too_low'],
      ['recent', 'rating_too_low'],
      ['agent-009', 'no_seat'],
    ]);
    expect(scoreboard.excluded_count).toBe(3);
    expect(invited).toContain('patient');
    // Where no seat is kept for discoveries, there is no second chance.
    expect(hold(all, { luck: 0.95 }, { discoverySeat: false }).scoreboard.excluded_count).toBe(3);
    // It bids beside few others too, and no one loses a seat to it.
    expect(hold([low('low', 0), candidate('only')], { luck: 0.99 }).scoreboard.bids).toHaveLength(2);
  });

  it('still rotate when there is only one', () => {
    const both = [candidate('veteran', { rating: 5, lastInvitedAt: 2 }), candidate('newcomer', { lastInvitedAt: 1 })];
    expect(hold(both, {}, { maxAgents: 1 }).invited).toEqual(['newcomer']);
  });

  describe('where agents of several owners can bid', () => {
    const clones = Array.from({ length: 100 }, (_, index) =>
      candidate(`clone-${index}`, { ownerId: 'cloner', rating: 5 }),
    );
    const rivals = (count: number) => crowd(count).map((one) => ({ ...one, ownerId: one.agentId }));
    const bidsOf = (ownerId: string, { scoreboard }: ReturnType<typeof hold>, all: readonly Candidate[]) =>
      scoreboard.bids.filter((bid) => all.find((one) => one.agentId === bid.agent_id)?.ownerId === ownerId);

    it('are limited for each owner, and the scoreboard says so', () => {
      const all = [...clones, ...rivals(3)];
      for (const order of [all, [...all].reverse()]) {
        const auction = hold(order);
        expect(bidsOf('cloner', auction, all)).toHaveLength(2);
        expect(auction.scoreboard.bids).toHaveLength(5);
        expect(auction.scoreboard).toMatchObject({ excluded_count: 98 });
        expect(auction.scoreboard.excluded[0]).toMatchObject({
          reason: 'owner_seats',
          detail: 'Other agents of its owner have the 2 seats that one owner can have.',
        });
        expect(auction.scoreboard.excluded.map(({ reason }) => reason)).toEqual(Array(98).fill('owner_seats'));
        expect(auction.invited).toEqual([]);
      }
      expect(bidsOf('cloner', hold(all, {}, { maxSeatsPerOwner: 1 }), all)).toHaveLength(1);
    });

    it('are not limited for an owner without a rival', () => {
      expect(hold(clones).scoreboard.bids).toHaveLength(10);
      const tooDear = candidate('dear', { ownerId: 'other', pricing: asking(9_000_000n) });
      expect(hold([...clones, tooDear]).scoreboard.bids).toHaveLength(10);
    });

    it('give a hundred clones the discovery seat no more often than any other owner', () => {
      const all = [...clones.map((one) => ({ ...one, rating: 3.5 })), ...rivals(9), ...newcomers(5)];
      const found = new Map<string, number>();
      for (let round = 1; round <= 60; round++) {
        const { scoreboard, invited } = hold(all);
        const id = scoreboard.bids.find((bid) => bid.discovery)?.agent_id;
        for (const one of all) if (invited.includes(one.agentId)) one.lastInvitedAt = round;
        const ownerId = all.find((one) => one.agentId === id)!.ownerId;
        found.set(ownerId, (found.get(ownerId) ?? 0) + 1);
      }
      expect([...found.values()].every((count) => count === 10)).toBe(true);
      expect(found.size).toBe(6);
    });

    const newcomers = (count: number) =>
      Array.from({ length: count }, (_, index) => candidate(`newcomer-${index}`, { ownerId: `newcomer-${index}` }));
  });

  it('leave a bounded list of those who got none, and their number', () => {
    const { scoreboard } = hold(crowd(250));
    expect(scoreboard.excluded).toHaveLength(100);
    expect(scoreboard.excluded_count).toBe(240);
  });
});

describe('what agents ask', () => {
  const kb = { inputBytes: 2049 };
  const asks = (pricing: PricePolicy, running = 0, request: Partial<AuctionRequest> = kb) =>
    hold([candidate('a', { pricing, running })], request).scoreboard.bids[0];

  it('rises with the size of the input, by begun KiB', () => {
    const bid = asks(asking(500_000n, { perKbMicro: 1_000n }));
    expect(bid).toMatchObject({ price: 0.503, base_price: 0.5, input_price: 0.003, surge: 1 });
    expect(asks(asking(500_000n, { perKbMicro: 1_000n }), 0, { inputBytes: 2048 }).price).toBe(0.502);
  });

  it('rises with the load, up to the agent’s own surge', () => {
    const pricing = asking(100_000n, { perKbMicro: 100n, surge: 2, maxConcurrency: 4 });
    expect([0, 1, 3].map((running) => asks(pricing, running).surge)).toEqual([1, 1.25, 1.75]);
    expect(asks(pricing, 1).price).toBe(0.125375);
    expect(asks(asking(1n, { surge: 1.5, maxConcurrency: 4 }), 1).price).toBe(0.000002);
  });

  it('is nothing while they have as many tasks as they take on: the auction is worth holding again', () => {
    const busy = candidate('busy', { pricing: asking(1n, { maxConcurrency: 2 }), running: 2 });
    const alone = hold([busy]);
    expect(alone).toMatchObject({ failure: { code: 'AGENTS_BUSY' }, worthWaiting: true });
    expect(alone.scoreboard.excluded[0]).toMatchObject({
      reason: 'busy',
      detail: 'It has as many tasks as it takes on at once.',
    });
    expect(hold([busy, candidate('idle')])).toMatchObject({ failure: null, worthWaiting: false });
    expect(hold([busy], {}, { requireCompetition: true, minAgents: 2 }).worthWaiting).toBe(true);
  });

  it('is not waited for when it would be too much without load too', () => {
    const dear = candidate('dear', { pricing: asking(2_000_000n, { maxConcurrency: 1 }), running: 1 });
    expect(hold([dear])).toMatchObject({ failure: { code: 'BUDGET_TOO_LOW' }, worthWaiting: false });
  });
});

describe('regions', () => {
  const geo = { enabled: true, roundTripsMs: new Map([['eu:us', 90]]), defaultRoundTripMs: 150 };
  const world = [
    candidate('here', { region: 'eu', estimatedMs: 10 }),
    candidate('there', { region: 'us', estimatedMs: 10 }),
    candidate('somewhere', { estimatedMs: 10 }),
  ];
  const estimates = (request: Partial<AuctionRequest>, rules: Partial<AuctionConfig> = { geo }) =>
    Object.fromEntries(hold(world, request, rules).scoreboard.bids.map((bid) => [bid.agent_id, bid.estimated_ms]));

  it('add the way there and back to an estimate', () => {
    expect(estimates({ region: 'eu' })).toEqual({ here: 10, there: 100, somewhere: 160 });
    expect(estimates({ region: null })).toEqual({ here: 10, there: 10, somewhere: 10 });
    expect(estimates({ region: 'eu' }, {})).toEqual({ here: 10, there: 10, somewhere: 10 });
  });

  it('exclude who belongs elsewhere when the task requires its own', () => {
    const { scoreboard } = hold(world, { region: 'eu', regionRequired: true }, { geo });
    expect(scoreboard.bids.map((bid) => bid.agent_id)).toEqual(['here']);
    expect(scoreboard.excluded.map(({ reason }) => reason)).toEqual(['wrong_region', 'wrong_region']);
    const { failure } = hold(world, { region: 'mars', regionRequired: true }, { geo });
    expect(failure).toMatchObject({ code: 'NO_ELIGIBLE_AGENT', message: expect.stringContaining('mars') });
  });
});

describe('an auction with too few bids', () => {
  it('is awarded, and marked as no competition', () => {
    const { ranking, scoreboard, failure } = hold(crowd(2));
    expect(ranking).toHaveLength(2);
    expect(failure).toBeNull();
    expect(scoreboard.competitive).toBe(false);
    expect(hold(crowd(3)).scoreboard.competitive).toBe(true);
  });

  it('fails where competition is required', () => {
    expect(hold(crowd(2), {}, { requireCompetition: true }).failure).toMatchObject({ code: 'NOT_COMPETITIVE' });
    expect(hold(crowd(3), {}, { requireCompetition: true }).failure).toBeNull();
  });

  it('names the lowest price when the budget was too low for everyone', () => {
    const { failure, scoreboard } = hold([
      candidate('a', { pricing: asking(3_000_000n) }),
      candidate('b', { pricing: asking(2_500_000n) }),
      candidate('c', { rating: 1, ...DISLIKED }),
    ]);
    expect(failure).toEqual({ code: 'BUDGET_TOO_LOW', message: 'The lowest bid is 2.5: raise the budget.' });
    expect(scoreboard).toMatchObject({ bounds: null, bids: [], competitive: false, excluded_count: 3 });
  });

  it('does not ask for more money when the dear ones were the least of it', () => {
    const dearAndPoor = candidate('a', { rating: 1, ...DISLIKED, pricing: asking(9_000_000n) });
    expect(hold([dearAndPoor]).failure).toMatchObject({ code: 'NO_ELIGIBLE_AGENT' });
  });

  it('names the capabilities that nobody offers', () => {
    const { failure } = hold([], { requiredCapabilities: ['teleport', 'levitate'] });
    expect(failure).toEqual({
      code: 'NO_AGENT_AVAILABLE',
      message: 'No active agent offers teleport, levitate.',
    });
  });
});

const REQUEST: AuctionRequest = {
  requiredCapabilities: ['work'],
  budgetMicro: 1_000_000n,
  weights: null,
  inputBytes: 0,
  luck: 0.5,
  region: null,
  regionRequired: false,
  allow: [],
  limitMs: 30_000,
};

const hold = (candidates: Candidate[], request: Partial<AuctionRequest> = {}, rules: Partial<AuctionConfig> = {}) =>
  holdAuction(candidates, { ...REQUEST, ...request }, { ...RULES, ...rules });

/** So many candidates, the best rated first, that were all invited at the same time. */
const crowd = (size: number): Candidate[] =>
  Array.from({ length: size }, (_, index) =>
    candidate(`agent-${String(index).padStart(3, '0')}`, { rating: 5 - index / size, lastInvitedAt: 1 }),
  );

function asking(baseMicro: bigint, changes: Partial<PricePolicy> = {}): PricePolicy {
  return { baseMicro, perKbMicro: 0n, surge: 1, maxConcurrency: null, ...changes };
}

function candidate(agentId: string, changes: Partial<Candidate> = {}): Candidate {
  return {
    agentId,
    revision: '1',
    ownerId: 'owner',
    name: agentId,
    capabilities: ['work'],
    pricing: asking(500_000n),
    running: 0,
    region: null,
    rating: 3.5,
    highestRating: 5,
    raters: 0,
    tasksCompleted: 0,
    estimatedMs: 5000,
    lastInvitedAt: 0,
    version: '1.0.0',
    sha256: '0'.repeat(64),
    storageRef: `local:${'0'.repeat(64)}`,
    limits: null,
    permissions: null,
    contract: null,
    ...changes,
  };
}
