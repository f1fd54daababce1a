import { ApiProperty } from '@nestjs/swagger';
import { ApiId, ApiInteger } from '../common/api-schema.js';
import { SCORING_STRATEGIES, type ScoringStrategy } from '../config/index.js';

export class ScoreWeightsDto {
  price: number;
  quality: number;
  speed: number;
  reputation: number;
}

/** The extremes among this auction's bids, which the terms are relative to. */
export class BoundsDto {
  /** Credits. */
  min_price: number;
  /** Credits. */
  max_price: number;
  @ApiInteger()
  min_ms: number;
  @ApiInteger()
  max_ms: number;
  @ApiInteger()
  max_tasks_completed: number;
}

/** What the terms of the strategy `absolute` are relative to; no other bid is. */
export class ScaleDto {
  /** Of the task, credits: a bid of this much scores 0 for its price. */
  budget: number;
  /** Time one attempt has: an estimate of this much scores 0 for its speed. */
  @ApiInteger()
  limit_ms: number;
  /** Completed tasks that are worth half of the full reputation. */
  @ApiInteger()
  half_reputation: number;
}

/** One bid with what it was scored on and how. */
export class ScoredBidDto {
  /** 1 for the winner; failover goes on with 2. */
  @ApiInteger()
  rank: number;
  @ApiId()
  agent_id: string;
  agent_name: string;
  version: string;
  /** Credits: `(base_price + input_price) · surge`, rounded up. */
  price: number;
  /** Credits for any task. */
  base_price: number;
  /** Credits for the size of the input. */
  input_price: number;
  /** 1 without load. */
  surge: number;
  /** Smoothed, 0–5. */
  rating: number;
  /** With the way there and back, where the task names a region. */
  @ApiInteger()
  estimated_ms: number;
  @ApiInteger()
  tasks_completed: number;
  /** Share of the required capabilities that the agent offers. */
  capability_match: number;
  /** Each term between 0 and 1, before its weight. */
  terms: ScoreWeightsDto;
  /** Weighted sum of the terms, times the capability match. */
  total: number;
  /** Invited to the seat kept for the agent that had waited longest. */
  discovery: boolean;
}

export const EXCLUSION_REASONS = ['over_budget', 'rating_too_low', 'wrong_region', 'busy', 'no_seat'] as const;
export type ExclusionReason = (typeof EXCLUSION_REASONS)[number];

/** An agent that offers a required capability and yet did not bid. */
export class ExclusionDto {
  @ApiId()
  agent_id: string;
  agent_name: string;
  @ApiProperty({ enum: EXCLUSION_REASONS })
  reason: ExclusionReason;
  /** One sentence with the figures. */
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
  /** Whether enough agents bid for it to count as a competition. */
  competitive: boolean;
  /** The bid on the discovery seat was given the award whatever its score, to find out how good its agent is. */
  explored: boolean;
  /** Best first. */
  bids: ScoredBidDto[];
  /** At most 100 of them. */
  excluded: ExclusionDto[];
  /** How many there were. */
  @ApiInteger()
  excluded_count: number;
}
