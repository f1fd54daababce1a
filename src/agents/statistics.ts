/** What auctions and cards say of an agent, worked out from what the server has seen of it. Pure. */

const PERCENTILE = 0.8;
/** Size of one step: after about 30 runs at a new speed the old one is forgotten. */
const STEP = 0.1;
/** An agent without history and without a declared duration. */
const UNKNOWN_DURATION_MS = 5000;

/**
 * One step of a decayed 80th percentile: the estimate moves up by 8 % when a run took longer and down by 2 % when it
 * did not, so it settles where one run in five is longer. Needs no stored samples and forgets old ones.
 *
 * Source: stochastic approximation of quantiles (Robbins & Monro 1951), on the logarithm of the duration.
 */
export function nextDurationP80(previous: number | null, durationMs: number): number {
  if (previous === null) return Math.max(durationMs, 0.01);
  return previous * Math.exp(STEP * (PERCENTILE - (durationMs <= previous ? 1 : 0)));
}

/** One step of a decayed mean of how long runs took, as a multiple of what was promised. */
export function nextEstimateRatio(previous: number | null, durationMs: number, promisedMs: number): number {
  const ratio = durationMs / Math.max(promisedMs, 1);
  return previous === null ? ratio : previous + STEP * (ratio - previous);
}

/** Null before the first attempt. */
export const successRate = (completed: number, failed: number): number | null =>
  completed + failed === 0 ? null : completed / (completed + failed);

/** What a run is expected to take, ms: history first, then the owner's word. */
export const estimateDurationMs = (historyP80: number | null, declared: number | null): number =>
  Math.round(historyP80 ?? declared ?? UNKNOWN_DURATION_MS);

/**
 * Mean of the votes (1–5) smoothed by a prior that counts as `prior.weight` votes of `prior.mean`, so that a new agent is
 * neither shut out nor unbeatable after one vote.
 */
export const smoothedRating = (
  ratingSum: number,
  ratingCount: number,
  prior: { mean: number; weight: number },
): number => {
  const votes = ratingCount + prior.weight;
  return votes === 0 ? prior.mean : (ratingSum + prior.mean * prior.weight) / votes;
};
