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
 * Source: stochastic approximation of quantiles (Robbins & Monro 1951), on the logarithm of the value.
 */
export function nextP80(previous: number | null, value: number): number {
  if (previous === null) return Math.max(value, 0.01);
  return previous * Math.exp(STEP * (PERCENTILE - (value <= previous ? 1 : 0)));
}

/** One step of a decayed mean of how long runs took, as a multiple of what was promised. */
export function nextEstimateRatio(previous: number | null, durationMs: number, promisedMs: number): number {
  const ratio = durationMs / Math.max(promisedMs, 1);
  return previous === null ? ratio : previous + STEP * (ratio - previous);
}

/** Null before the first attempt. */
export const successRate = (completed: number, failed: number): number | null =>
  completed + failed === 0 ? null : completed / (completed + failed);

/** What the server has seen of an agent's durations, and what its owner declares. */
export interface DurationHistory {
  tasksCompleted: number;
  /** Ms; null without history. */
  durationP80Ms: number | null;
  /** Mean duration as a multiple of what bids promised; null without history. */
  estimateRatio: number | null;
  /** The owner's word, ms. */
  declaredMs: number | null;
}

/** When history is believed, and what is expected at least before. */
export interface EstimateRules {
  historyTasks: number;
  unprovenMs: number;
}

/** The most by which broken promises lengthen an estimate. */
const MAX_FORFEIT = 10;

/**
 * What a bid says a run takes, ms.
 *
 * - Below `historyTasks` completed tasks: what was seen or declared, but at least `unprovenMs`. A promise costs nothing, and an
 *   owner can complete a task or two by itself.
 * - From there on: what was seen. An agent that breaks its promises forfeits their speed: its estimate grows by the mean excess.
 */
export function estimateDurationMs(seen: DurationHistory, { historyTasks, unprovenMs }: EstimateRules): number {
  const { tasksCompleted, durationP80Ms, estimateRatio, declaredMs } = seen;
  const forfeit = Math.min(Math.max(estimateRatio ?? 1, 1), MAX_FORFEIT);
  const expected = durationP80Ms === null ? (declaredMs ?? UNKNOWN_DURATION_MS) : toTwoDigits(durationP80Ms * forfeit);
  return Math.round(tasksCompleted < historyTasks ? Math.max(expected, unprovenMs) : expected);
}

/** To two significant digits: what strangers read of an agent's runs must not tell a single one exactly. */
export const toTwoDigits = (value: number): number => Number(value.toPrecision(2));

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

/** Votes reach from 1 to 5. */
const VOTE_RANGE = 4;
/** How often the bound may be wrong. */
const DOUBT = 0.05;

/**
 * The highest rating that the votes leave possible, with a confidence of 95 %. Each account counts once, by the mean of its
 * votes. Six accounts that all vote 1 bring it below 3; five do not.
 *
 * Source: Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 58 (1963): no assumption is made
 * about how votes are distributed.
 *
 * @param meanSum sum over the accounts of the mean of their votes
 */
export const highestRating = (raters: number, meanSum: number): number =>
  raters === 0 ? 5 : Math.min(5, meanSum / raters + VOTE_RANGE * Math.sqrt(Math.log(1 / DOUBT) / (2 * raters)));
