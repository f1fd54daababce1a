import type { AuctionWeights } from '../config/index.js';
import { amountToWire } from '../common/money.js';
import type { Ask } from './bidding.js';
import type { BoundsDto, ScaleDto, ScoredBidDto } from './scoreboard.dto.js';

/** An agent's price for a task, and the known facts about the agent. */
export interface Bid extends Ask {
  agentId: string;
  agentName: string;
  version: string;
  /** 0–5 */
  rating: number;
  estimatedMs: number;
  tasksCompleted: number;
  /** |required ∩ offered| / |required|, 1 when nothing is required. */
  capabilityMatch: number;
  discovery: boolean;
  /** Bids with the same number are of one owner. */
  owner: number;
}

/** Turns a bid into the four terms of its score, and scores into an order. */
export type Scoring = ({ strategy: 'minmax' } | { strategy: 'absolute'; scale: ScaleDto }) & {
  /** Whether the bid on the discovery seat comes first, whatever its score. */
  explore: boolean;
};

/**
 * Scores and ranks the bids of one auction: `total = (weights · terms) · capabilityMatch`, where the terms are those of
 * the strategy, and the highest total first. Ties go to the lower price, then the higher rating, then the smaller id.
 *
 * @param weights non-negative, sum 1
 * @returns best first, with ranks from 1; `bounds` is null without bids and under `absolute`
 */
export function scoreBids(
  bids: readonly Bid[],
  weights: AuctionWeights,
  scoring: Scoring,
): { bounds: BoundsDto | null; ranking: ScoredBidDto[] } {
  if (bids.length === 0) return { bounds: null, ranking: [] };
  const bounds = scoring.strategy === 'minmax' ? boundsOf(bids) : null;
  const termsOf = scoring.strategy === 'minmax' ? minmaxTerms(boundsOf(bids)) : absoluteTerms(scoring.scale);
  const ranking = bids
    .map((bid) => ({ bid, scored: score(bid, termsOf(bid), weights) }))
    .sort(
      (a, b) =>
        (scoring.explore ? Number(b.bid.discovery) - Number(a.bid.discovery) : 0) ||
        compare(a.bid, a.scored.total, b.bid, b.scored.total),
    )
    .map(({ scored }, index) => ({ ...scored, rank: index + 1 }));
  return { bounds, ranking };
}

type Terms = ScoredBidDto['terms'];

/**
 * The default: every term is relative to this auction's other bids.
 *
 *     price      = 1 - (bid.price - minPrice) / (maxPrice - minPrice)      1 when all prices are equal
 *     quality    = rating / 5
 *     speed      = 1 - (bid.estimatedMs - minMs) / (maxMs - minMs)         1 when all are equal
 *     reputation = tasksCompleted / maxTasksCompleted                      0 when nobody has completed one
 */
const minmaxTerms =
  (bounds: BoundsDto) =>
  (bid: Bid): Terms => ({
    price: nearnessToMinimum(amountToWire(bid.priceMicro), bounds.min_price, bounds.max_price),
    quality: bid.rating / 5,
    speed: nearnessToMinimum(bid.estimatedMs, bounds.min_ms, bounds.max_ms),
    reputation: bounds.max_tasks_completed === 0 ? 0 : bid.tasksCompleted / bounds.max_tasks_completed,
  });

/**
 * Every term is relative to what the task allows, so that a bid scores the same whatever the other bids are.
 *
 *     price      = 1 - bid.price / budget                                  1 when the budget is 0
 *     quality    = rating / 5
 *     speed      = 1 - bid.estimatedMs / limitMs                           0 beyond the limit
 *     reputation = tasksCompleted / (tasksCompleted + halfReputation)
 */
const absoluteTerms =
  (scale: ScaleDto) =>
  (bid: Bid): Terms => ({
    price: scale.budget === 0 ? 1 : Math.max(0, 1 - amountToWire(bid.priceMicro) / scale.budget),
    quality: bid.rating / 5,
    speed: Math.max(0, 1 - bid.estimatedMs / scale.limit_ms),
    reputation: bid.tasksCompleted / (bid.tasksCompleted + scale.half_reputation),
  });

/** Each term's share of the total; they sum up to it. */
export const weightedTerms = (terms: Terms, weights: AuctionWeights, capabilityMatch: number): Terms => ({
  price: weights.price * terms.price * capabilityMatch,
  quality: weights.quality * terms.quality * capabilityMatch,
  speed: weights.speed * terms.speed * capabilityMatch,
  reputation: weights.reputation * terms.reputation * capabilityMatch,
});

function boundsOf(bids: readonly Bid[]): BoundsDto {
  const prices = bids.map((bid) => amountToWire(bid.priceMicro));
  const durations = bids.map((bid) => bid.estimatedMs);
  return {
    min_price: Math.min(...prices),
    max_price: Math.max(...prices),
    min_ms: Math.min(...durations),
    max_ms: Math.max(...durations),
    max_tasks_completed: Math.max(...bids.map((bid) => bid.tasksCompleted)),
  };
}

function score(bid: Bid, terms: Terms, weights: AuctionWeights): ScoredBidDto {
  const weighted =
    weights.price * terms.price +
    weights.quality * terms.quality +
    weights.speed * terms.speed +
    weights.reputation * terms.reputation;
  return {
    rank: 0,
    agent_id: bid.agentId,
    agent_name: bid.agentName,
    version: bid.version,
    price: amountToWire(bid.priceMicro),
    base_price: amountToWire(bid.baseMicro),
    input_price: amountToWire(bid.inputMicro),
    surge: bid.surge,
    rating: bid.rating,
    estimated_ms: bid.estimatedMs,
    tasks_completed: bid.tasksCompleted,
    capability_match: bid.capabilityMatch,
    terms,
    total: weighted * bid.capabilityMatch,
    discovery: bid.discovery,
    owner: bid.owner,
    paid: null,
  };
}

const nearnessToMinimum = (value: number, min: number, max: number): number =>
  max === min ? 1 : 1 - (value - min) / (max - min);

function compare(a: Bid, totalOfA: number, b: Bid, totalOfB: number): number {
  if (totalOfA !== totalOfB) return totalOfB - totalOfA;
  if (a.priceMicro !== b.priceMicro) return a.priceMicro < b.priceMicro ? -1 : 1;
  if (a.rating !== b.rating) return b.rating - a.rating;
  return a.agentId < b.agentId ? -1 : 1;
}
