/** Figures of an agent for auctions and cards, computed from what the server has observed. Pure. */

const PERCENTILE = 0.8;
/** Weight of one run: after about 30 runs at a new speed, the old one is forgotten. */
const STEP = 0.1;
/** For an agent without history and without a declared duration. */
const UNKNOWN_DURATION_MS = 5000;

/**
 * Updates a decayed 80th percentile. The estimate rises by 8 % if a run took longer and falls by 2 % if not, so it
 * settles where one run in five is longer. It needs no stored samples and forgets old ones.
 *
 * Source: stochastic approximation of quantiles (Robbins & Monro 1951), on the logarithm of the value.
 */
export function nextP80(previous: number | null, value: number): number {
  if (previous === null) return Math.max(value, 0.01);
  return previous * Math.exp(STEP * (PERCENTILE - (value <= previous ? 1 : 0)));
}

/** Updates a decayed mean of run times, as multiples of what was promised. */
export function nextEstimateRatio(previous: number | null, durationMs: number, promisedMs: number): number {
  const ratio = durationMs / Math.max(promisedMs, 1);
  return previous === null ? ratio : previous + STEP * (ratio - previous);
}

/** Null before the first attempt. */
export const successRate = (completed: number, failed: number): number | null =>
  completed + failed === 0 ? null : completed / (completed + failed);

/** Observed durations of an agent, and the one its owner declares. */
export interface DurationHistory {
  tasksCompleted: number;
  /** Ms; null without history. */
  durationP80Ms: number | null;
  /** Mean duration as a multiple of what bids promised; null without history. */
  estimateRatio: number | null;
  /** The owner's declared duration, ms. */
  declaredMs: number | null;
}

/** When history counts, and the minimum estimate before that. */
export interface EstimateRules {
  historyTasks: number;
  unprovenMs: number;
}

/** The largest factor by which broken promises lengthen an estimate. */
const MAX_FORFEIT = 10;

/**
 * The run time of a bid, ms.
 *
 * - Below `historyTasks` completed tasks: the observed or declared time, but at least `unprovenMs`. A promise costs
 *   nothing, and an owner can complete a few tasks alone.
 * - From then on: the observed time. An agent that breaks its promises loses their advantage: its estimate grows by the
 *   mean excess.
 */
export function estimateDurationMs(seen: DurationHistory, { historyTasks, unprovenMs }: EstimateRules): number {
  const { tasksCompleted, durationP80Ms, estimateRatio, declaredMs } = seen;
  const forfeit = Math.min(Math.max(estimateRatio ?? 1, 1), MAX_FORFEIT);
  const expected = durationP80Ms === null ? (declaredMs ?? UNKNOWN_DURATION_MS) : toTwoDigits(durationP80Ms * forfeit);
  return Math.round(tasksCompleted < historyTasks ? Math.max(expected, unprovenMs) : expected);
}

/** Rounds to two significant digits: strangers must not learn the exact figures of a single run. */
export const toTwoDigits = (value: number): number => Number(value.toPrecision(2));

/**
 * Mean of the ratings (1–5), smoothed by a prior that counts as `prior.weight` ratings of `prior.mean`. A new agent is
 * therefore neither shut out nor unbeatable after one rating.
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
 * The highest rating that the votes leave possible, with a confidence of 95 %. Each account counts once, by its newest
 * vote. Six accounts that all vote 1 bring it below 3; five do not.
 *
 * Source: Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 58 (1963): no assumption is made
 * about how votes are distributed.
 *
 * @param meanSum sum of the votes that count
 */
export const highestRating = (raters: number, meanSum: number): number =>
  raters === 0 ? 5 : Math.min(5, meanSum / raters + VOTE_RANGE * Math.sqrt(Math.log(1 / DOUBT) / (2 * raters)));
