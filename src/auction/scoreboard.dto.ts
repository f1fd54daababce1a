import { ApiProperty } from '@nestjs/swagger';
import { ApiId, ApiInteger } from '../common/api-schema.js';
import { PAYMENT_RULES, type PaymentRule, SCORING_STRATEGIES, type ScoringStrategy } from '../config/index.js';

export class ScoreWeightsDto {
  /** @example 0.3 */
  price: number;
  /** @example 0.3 */
  quality: number;
  /** @example 0.2 */
  speed: number;
  /** @example 0.2 */
  reputation: number;
}

/** The extremes among this auction's bids, which the terms are relative to. */
export class BoundsDto {
  /**
   * Credits.
   * @example 0.5
   */
  min_price: number;
  /**
   * Credits.
   * @example 0.9
   */
  max_price: number;
  /** @example 40 */
  @ApiInteger()
  min_ms: number;
  /** @example 95 */
  @ApiInteger()
  max_ms: number;
  /** @example 49 */
  @ApiInteger()
  max_tasks_completed: number;
}

/** What the terms of the strategy `absolute` are relative to; no other bid is. */
export class ScaleDto {
  /**
   * Of the task, credits: a bid of this much scores 0 for its price.
   * @example 1.5
   */
  budget: number;
  /**
   * Time one attempt has: an estimate of this much scores 0 for its speed.
   * @example 30000
   */
  @ApiInteger()
  limit_ms: number;
  /**
   * Completed tasks that are worth half of the full reputation.
   * @example 100
   */
  @ApiInteger()
  half_reputation: number;
}

/** One bid with what it was scored on and how. */
export class ScoredBidDto {
  /**
   * 1 for the winner; failover goes on with 2.
   * @example 1
   */
  @ApiInteger()
  rank: number;
  @ApiId()
  agent_id: string;
  /** @example "My agent" */
  agent_name: string;
  /** @example "1.0.0" */
  version: string;
  /**
   * Credits, for this task.
   * @example 0.5
   */
  price: number;
  /**
   * Credits for any task.
   * @example 0.5
   */
  base_price: number;
  /**
   * Credits for the size of the input.
   * @example 0
   */
  input_price: number;
  /**
   * 1 without load.
   * @example 1
   */
  surge: number;
  /**
   * Smoothed, 0–5.
   * @example 3.5
   */
  rating: number;
  /**
   * With the way there and back, where the task names a region.
   * @example 40
   */
  @ApiInteger()
  estimated_ms: number;
  /** @example 49 */
  @ApiInteger()
  tasks_completed: number;
  /**
   * Share of the required capabilities that the agent offers.
   * @example 1
   */
  capability_match: number;
  /** Each term between 0 and 1, before its weight. */
  terms: ScoreWeightsDto;
  /**
   * Weighted sum of the terms, times the capability match.
   * @example 0.91
   */
  total: number;
  /**
   * Invited to the seat kept for the owner that had waited longest.
   * @example false
   */
  discovery: boolean;
  /**
   * Bids with the same number are of one owner.
   * @example 1
   */
  @ApiInteger()
  owner: number;
  /**
   * Credits that the agent is paid if it completes the task; null if failover cannot reach it.
   * @example 0.62
   */
  paid: number | null;
}

/** How the payment follows from the bids. */
export class PaymentDto {
  /** `ask`: a winner is paid what it asks. `second_score`: the highest price at which it would still have won. */
  @ApiProperty({ enum: PAYMENT_RULES })
  rule: PaymentRule;
  /**
   * The budget: the most that is paid, credits.
   * @example 1.5
   */
  most: number;
}

export const EXCLUSION_REASONS = [
  'over_budget',
  'rating_too_low',
  'wrong_region',
  'busy',
  'no_seat',
  'not_allowed',
  'owner_seats',
  'input_misfit',
] as const;
export type ExclusionReason = (typeof EXCLUSION_REASONS)[number];

/** An agent that offers a required capability and yet did not bid. */
export class ExclusionDto {
  @ApiId()
  agent_id: string;
  /** @example "Another agent" */
  agent_name: string;
  @ApiProperty({ enum: EXCLUSION_REASONS })
  reason: ExclusionReason;
  /**
   * One sentence with the figures.
   * @example "It asks 2 credits, and the budget is 1.5."
   */
  detail: string;
}

/** An auction as it was decided. */
export class ScoreboardDto {
  /** How terms are scaled: against the other bids, or against what the task allows. */
  @ApiProperty({ enum: SCORING_STRATEGIES })
  strategy: ScoringStrategy;
  weights: ScoreWeightsDto;
  /** Of `minmax`; null when nobody bid. */
  bounds: BoundsDto | null;
  /** Of `absolute`. */
  scale: ScaleDto | null;
  /**
   * Whether enough agents bid for it to count as a competition.
   * @example true
   */
  competitive: boolean;
  /**
   * The bid on the discovery seat was given the award whatever its score, to find out how good its agent is.
   * @example false
   */
  explored: boolean;
  /** Best first. */
  bids: ScoredBidDto[];
  /** At most 100 of them. */
  excluded: ExclusionDto[];
  /**
   * How many there were. An auction looks at 5,500 agents at most, unless none of them can do the task.
   * @example 1
   */
  @ApiInteger()
  excluded_count: number;
  /** Null on scoreboards of releases that paid what was asked. */
  payment: PaymentDto | null;
}
