/** Ranks the bids of an auction under other weights, as the server would (docs/openapi.json, `ExplainedBidDto`). */

export const TERMS = ['price', 'quality', 'speed', 'reputation'] as const;
export type Term = (typeof TERMS)[number];
export type Weights = Record<Term, number>;

export interface Bid {
  rank: number;
  agent_id: string;
  agent_name: string;
  version: string;
  price: number;
  rating: number;
  estimated_ms: number;
  tasks_completed: number;
  capability_match: number;
  terms: Weights;
  weighted: Weights;
  total: number;
  discovery: boolean;
}

export const DEFAULT_WEIGHTS: Weights = { price: 0.3, quality: 0.3, speed: 0.2, reputation: 0.2 };

/** Moves share between two neighbouring terms; the others keep theirs. Whole percents. @param share of the left one */
export function shift(weights: Weights, boundary: number, share: number): Weights {
  const [left, right] = [TERMS[boundary], TERMS[boundary + 1]];
  const sum = weights[left] + weights[right];
  const next = Math.round(Math.min(sum, Math.max(0, share)) * 100) / 100;
  return { ...weights, [left]: next, [right]: Math.round((sum - next) * 100) / 100 };
}

/**
 * Terms do not depend on weights, so only the sums and the order change. Ties go to the lower price, then the higher
 * rating, then the smaller id. @param explored whether the discovery bid comes first whatever its score
 */
export function reweigh(bids: readonly Bid[], weights: Weights, explored: boolean): Bid[] {
  return bids
    .map((bid) => {
      const weighted = { ...bid.terms };
      for (const term of TERMS) weighted[term] = weights[term] * bid.terms[term] * bid.capability_match;
      const total = TERMS.reduce((sum, term) => sum + weights[term] * bid.terms[term], 0) * bid.capability_match;
      return { ...bid, weighted, total };
    })
    .sort(
      (a, b) =>
        (explored ? Number(b.discovery) - Number(a.discovery) : 0) ||
        b.total - a.total ||
        a.price - b.price ||
        b.rating - a.rating ||
        (a.agent_id < b.agent_id ? -1 : 1),
    )
    .map((bid, index) => ({ ...bid, rank: index + 1 }));
}

/** @returns the term by which the winner gains most on the runner-up */
export function leadingTerm(winner: Bid, runnerUp: Bid): Term {
  const lead = (term: Term) => winner.weighted[term] - runnerUp.weighted[term];
  return TERMS.reduce((best, term) => (lead(term) > lead(best) ? term : best));
}
