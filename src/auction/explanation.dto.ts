import { OmitType } from '@nestjs/swagger';
import { ApiId, ApiInteger, ApiTime } from '../common/api-schema.js';
import { IsFlag, Optional } from '../common/validators.js';
import { ScoreboardDto, ScoredBidDto, ScoreWeightsDto } from './scoreboard.dto.js';
import { TaskErrorDto } from '../task-api/index.js';

/** A bid without the parts of its price: how an owner's price grows with input and load is no other tenant's to read. */
export class ExplainedBidDto extends OmitType(ScoredBidDto, ['base_price', 'input_price', 'surge']) {
  /** Each term times its weight and the capability match; they sum up to the total. */
  weighted: ScoreWeightsDto;
  /**
   * Why it would be paid that; null if failover cannot reach it.
   * @example "It asks 0.5. Up to 0.62 it would still have come before Another agent."
   */
  paid_because: string | null;
}

/** What the runner-up would have had to do. */
export class CounterfactualDto {
  @ApiId()
  agent_id: string;
  /** @example "Another agent" */
  agent_name: string;
  /**
   * The highest price, credits, at which it would have won, all else being equal; null when no price would have done.
   * @example 0.42
   */
  wins_at_price: number | null;
  /**
   * The same as a sentence.
   * @example "The runner-up, Summariser, wins at a price of 0.87 or less."
   */
  detail: string;
}

/** Whether the stored figures follow from the stored inputs. */
export class VerificationDto {
  /** @example true */
  matches: boolean;
  /**
   * What does not follow, one sentence each.
   * @example []
   */
  differences: string[];
}

/** An auction, with what explains it. */
export class ExplainedAuctionDto extends OmitType(ScoreboardDto, ['bids']) {
  /** Best first. */
  bids: ExplainedBidDto[];
  /** Null when fewer than two agents bid. */
  counterfactual: CounterfactualDto | null;
}

/** One auction of a task as it was decided. */
export class AuctionRoundDto extends ExplainedAuctionDto {
  /**
   * 1 for the first.
   * @example 1
   */
  @ApiInteger()
  round: number;
  /**
   * Number of the attempt that its winner had; null when nobody won.
   * @example 1
   */
  @ApiInteger()
  first_attempt: number | null;
  @ApiTime()
  decided_at: string;
  /** Null unless asked for with `verify=true`. */
  verification: VerificationDto | null;
}

/** Every auction of a task. Another one is held when all agents of the last have failed. */
export class TaskAuctionDto {
  /** The first auction first. */
  rounds: AuctionRoundDto[];
}

/** What would be decided now. */
export class SimulatedAuctionDto extends ExplainedAuctionDto {
  /** What the task would fail with; null when somebody would win. */
  failure: TaskErrorDto | null;
}

export class AuctionQuery {
  /** Compute the scores again from the stored inputs, and say whether they match. */
  @Optional()
  @IsFlag()
  verify?: boolean;
}
