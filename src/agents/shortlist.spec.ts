import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Candidate } from './candidate.js';
import { Shortlist } from './shortlist.js';

const SIZES = { best: 20, inTurn: 5 };

const agent = (number: number, rating: number, capabilities: readonly string[] = ['common']): Candidate =>
  ({
    agentId: `agent-${String(number).padStart(4, '0')}`,
    rating,
    tasksCompleted: 0,
    pricing: { baseMicro: 1n },
    capabilities,
  }) as unknown as Candidate;

const listOver = (agents: readonly Candidate[]): Shortlist =>
  new Shortlist(new Map(agents.map((one) => [one.agentId, one])), SIZES);

const offering = (agents: readonly Candidate[], ...required: string[]): Set<Candidate>[] =>
  required.map((capability) => new Set(agents.filter(({ capabilities }) => capabilities.includes(capability))));

const market = fc
  .array(fc.double({ min: 0, max: 5, noNaN: true }), { minLength: 0, maxLength: 120 })
  .map((ratings) => ratings.map((rating, number) => agent(number, rating)));

describe('the agents that an auction looks at', () => {
  it('are the best ones, whatever the market, and never more than the limits', () => {
    fc.assert(
      fc.property(market, (agents) => {
        const picked = new Set(listOver(agents).pick([], []));
        expect(picked.size).toBe(Math.min(agents.length, SIZES.best + SIZES.inTurn));
        const byRating = [...agents].sort((a, b) => b.rating - a.rating || (a.agentId < b.agentId ? -1 : 1));
        for (const one of byRating.slice(0, SIZES.best)) expect(picked.has(one)).toBe(true);
      }),
    );
  });

  it('are each of them sooner or later: no agent is left out for good', () => {
    fc.assert(
      fc.property(market, (agents) => {
        const list = listOver(agents);
        const turns = Math.ceil(agents.length / SIZES.inTurn);
        const seen = new Set(Array.from({ length: turns }, () => [...list.pick(['common'], [])]).flat());
        expect(seen.size).toBe(agents.length);
      }),
    );
  });

  it('include every agent that offers a rare capability, however low it is rated', () => {
    const many = Array.from({ length: 100 }, (_, number) => agent(number, 5));
    const rare = [agent(200, 0, ['common', 'rare']), agent(201, 0, ['rare'])];
    const agents = [...many, ...rare];
    const picked = [...listOver(agents).pick(['common', 'rare'], offering(agents, 'common', 'rare'))];
    expect(picked).toEqual(expect.arrayContaining(rare));
    expect(picked).toHaveLength(SIZES.best + SIZES.inTurn);
  });

  it('leave out those that offer nothing that is required', () => {
    const agents = [agent(1, 5, ['other']), agent(2, 1)];
    expect([...listOver(agents).pick(['common'], offering(agents, 'common'))]).toEqual([agents[1]]);
  });
});
