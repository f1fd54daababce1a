import type { Candidate } from './candidate.js';

/** How many agents an auction looks at. */
export interface ShortlistSizes {
  /** Best agents; with no more than these, all are looked at. */
  best: number;
  /** Further agents, others in each auction. */
  inTurn: number;
}

export const SHORTLIST: ShortlistSizes = { best: 5000, inTurn: 500 };

/** Maximum age of the order, ms. Sorting 20,000 agents takes some 20 ms. */
const MAX_AGE_MS = 10_000;

/**
 * Which agents an auction looks at when more offer a capability than it can look at in a few milliseconds: the best ones in
 * the order in which an auction gives its seats away, and a part of the others. That part moves on with each auction until
 * it has been through all of them, so that every agent has its chance of the discovery seat.
 */
export class Shortlist {
  /** Ids, best first. */
  private order: string[] = [];
  private sortedAt = -Infinity;
  /** Index in `order` at which the turn of the others goes on. */
  private turn = 0;

  constructor(
    private readonly agents: ReadonlyMap<string, Candidate>,
    private readonly sizes = SHORTLIST,
  ) {}

  /**
   * @param required capabilities; agents that offer none of them are left out, unless none is required
   * @param offering the agents that offer each. Those of rare capabilities are all looked at: they match best.
   */
  pick(required: readonly string[], offering: readonly ReadonlySet<Candidate>[]): Iterable<Candidate> {
    this.sortSometimes();
    const { best, inTurn } = this.sizes;
    const picked = new Set<Candidate>();
    for (const some of [...offering].sort((a, b) => a.size - b.size)) {
      if (picked.size + some.size > best / 2) break;
      for (const candidate of some) picked.add(candidate);
    }
    let index = 0;
    for (; index < this.order.length && picked.size < best; index++) this.take(index, required, picked);
    const others = this.order.length - index;
    for (let looked = 0; looked < others && picked.size < best + inTurn; looked++) {
      // Those before `index` are picked already.
      if (this.turn < index || this.turn >= this.order.length) this.turn = index;
      this.take(this.turn++, required, picked);
    }
    return picked;
  }

  private take(index: number, required: readonly string[], picked: Set<Candidate>): void {
    // One that has left the market since is in the order still.
    const candidate = this.agents.get(this.order[index]);
    if (candidate && offersAny(candidate, required)) picked.add(candidate);
  }

  private sortSometimes(): void {
    const now = performance.now();
    if (now - this.sortedAt < MAX_AGE_MS) return;
    this.sortedAt = now;
    this.order = [...this.agents.values()].sort(byMerit).map(({ agentId }) => agentId);
  }
}

/** As an auction orders agents that match equally well. */
const byMerit = (a: Candidate, b: Candidate): number =>
  b.rating - a.rating ||
  b.tasksCompleted - a.tasksCompleted ||
  Number(a.pricing.baseMicro - b.pricing.baseMicro) ||
  (a.agentId < b.agentId ? -1 : 1);

const offersAny = ({ capabilities }: Candidate, required: readonly string[]): boolean =>
  required.length === 0 || required.some((capability) => capabilities.includes(capability));
