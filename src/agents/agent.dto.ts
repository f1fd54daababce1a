import { ApiProperty, ApiPropertyOptional, OmitType, PartialType } from '@nestjs/swagger';
import { IsIn, IsInt, IsNumber, IsOptional, IsString, IsUUID, Matches, Max, Min, MinLength } from 'class-validator';
import { ApiId, ApiInteger, ApiTime } from '../common/api-schema.js';
import { type Page, PageQuery } from '../common/pagination.js';
import {
  CAPABILITY,
  IsAmount,
  IsCapabilities,
  IsFlag,
  IsNotBlank,
  IsPlainText,
  IsRegion,
  MaxLength,
  Optional,
  SLUG,
} from '../common/validators.js';
import { type Moderation, MODERATIONS } from './agent.entity.js';

/** On what terms an agent bids, beside its price. */
export class AgentTermsDto {
  /** Credits added for each begun KiB of a task's input. */
  @ApiPropertyOptional()
  @Optional()
  @IsAmount(0.001)
  price_per_kb?: number;

  /**
   * By how much the price is multiplied when the agent has as many tasks as `max_concurrency` allows; less load, less so.
   * @example 1.5
   */
  @Optional()
  @IsNumber()
  @Min(1)
  @Max(10)
  surge?: number;

  /**
   * Tasks it takes on at once; null: any number. While it has as many, it does not bid, and a task that nobody else can
   * do waits.
   * @example 4
   */
  @ApiInteger({ required: false, nullable: true })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(10_000)
  max_concurrency?: number | null;

  /**
   * Where it belongs; null: nowhere in particular. Counts where the server routes by region.
   * @example "eu-central"
   */
  @ApiPropertyOptional({ type: String, nullable: true })
  @IsOptional()
  @IsRegion()
  region?: string | null;
}

export class CreateAgentDto extends AgentTermsDto {
  /**
   * Your name for the agent in addresses, unique among your agents.
   * @example "my-agent"
   */
  @Matches(SLUG, {
    message: 'slug must be 1 to 64 lower-case letters, digits or "-", not start with "-" and be no UUID',
  })
  slug: string;

  /** @example "My agent" */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(120)
  @IsPlainText()
  name: string;

  /**
   * What it does, for people.
   * @example "Sums a text up in a few of its own sentences."
   */
  @Optional()
  @IsString()
  @MaxLength(2000)
  @IsPlainText()
  description?: string;

  /**
   * Tags of what it can do; tasks ask for them.
   * @example ["summarise"]
   */
  @IsCapabilities()
  capabilities: string[];

  /** What one task costs, in credits. */
  @IsAmount(0.5)
  price: number;

  /**
   * Your estimate of one run, ms; used until the server has seen some, and for no less than `AUCTION_UNPROVEN_MS`.
   * @example 40
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(86_400_000)
  expected_duration_ms?: number;
}

/** What an agent's card says, each of it by itself. */
export class AgentCardChangesDto extends PartialType(OmitType(CreateAgentDto, ['slug']), {
  skipNullProperties: false,
}) {}

/** What is named changes, for auctions from now on; the rest stays. */
export class UpdateAgentDto extends AgentCardChangesDto {
  /** A paused agent gets no further tasks. */
  @Optional()
  @IsIn(['active', 'paused'])
  status?: 'active' | 'paused';
}

export class ListAgentsQuery extends PageQuery {
  /** Only agents that offer this capability. */
  @Optional()
  @IsString()
  @Matches(CAPABILITY, { message: 'capability must be 1 to 64 lower-case letters, digits, ".", "_" or "-"' })
  capability?: string;

  /** Only your own agents, paused ones and those without a version included. */
  @Optional()
  @IsFlag()
  mine?: boolean;
}

export class BlockAgentDto {
  /**
   * Why, in words for the owner of the agent.
   * @example "Answers with advertisements."
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(500)
  @IsPlainText()
  reason: string;
}

export class ListModeratedQuery extends PageQuery {
  /** Which agents; unset: those that await approval. */
  @ApiProperty({ enum: MODERATIONS, required: false })
  @Optional()
  @IsIn(MODERATIONS)
  status: Moderation = 'pending';

  /** Only agents of this account. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  owner_id?: string;
}

/** The public description of an agent. */
export class AgentCardDto {
  @ApiId()
  id: string;
  /** @example "my-agent" */
  slug: string;
  /** @example "My agent" */
  name: string;
  /** @example "Sums a text up in a few of its own sentences." */
  description: string;
  /** @example ["summarise"] */
  capabilities: string[];
  /**
   * Credits for one task, at least. `POST /auctions/simulate` answers what yours would cost.
   * @example 0.5
   */
  price: number;
  /**
   * Where it belongs; null: nowhere in particular.
   * @example "eu-central"
   */
  region: string | null;
  /**
   * The version that bids; null until the first upload.
   * @example "1.0.0"
   */
  version: string | null;
  statistics: AgentStatisticsDto;
}

export class AgentStatisticsDto {
  /** @example 49 */
  @ApiInteger()
  tasks_completed: number;
  /**
   * Attempts that did not complete.
   * @example 1
   */
  @ApiInteger()
  attempts_failed: number;
  /**
   * Smoothed mean of the votes, 0–5.
   * @example 3.5
   */
  rating: number;
  /** @example 12 */
  @ApiInteger()
  rating_count: number;
  /**
   * Share of its attempts that completed; null before the first.
   * @example 0.98
   */
  success_rate: number | null;
  /**
   * What an auction expects a run to take, ms: to two digits what was seen of it, longer where its bids promised too little. An agent
   * with few completed tasks counts as no faster than `AUCTION_UNPROVEN_MS`.
   * @example 40
   */
  estimated_ms: number;
  /**
   * Processor time that four of five runs do not exceed, late ones counting more, ms; null without history.
   * @example 12.5
   */
  cpu_p80_ms: number | null;
  /**
   * The same of peak memory, bytes.
   * @example 1179648
   */
  @ApiInteger()
  memory_p80_bytes: number | null;
  /**
   * How long its runs took, as a multiple of what its bids promised (decayed mean); null before the first.
   * @example 1.1
   */
  actual_to_estimate: number | null;
}

/** An agent as its owner sees it. */
export class AgentDto extends AgentCardDto {
  /** User id. */
  @ApiId()
  owner_id: string;
  status: 'active' | 'paused' | 'retired';
  /** Whether admins let it onto the market; `pending`: it awaits approval. Only `allowed` agents bid. */
  @ApiProperty({ enum: MODERATIONS })
  moderation: Moderation;
  /**
   * Why it is blocked; null unless it is.
   * @example null
   */
  @ApiProperty({ type: 'string', nullable: true })
  moderation_reason: string | null;
  /** When an admin decided last; null: never. */
  @ApiTime({ nullable: true })
  moderated_at: string | null;
  /**
   * Credits added for each begun KiB of the input.
   * @example 0
   */
  price_per_kb: number;
  /**
   * By how much the price is multiplied at full load.
   * @example 1
   */
  surge: number;
  /**
   * Tasks it takes on at once; null: any number.
   * @example 4
   */
  @ApiInteger()
  max_concurrency: number | null;
  /**
   * The owner's estimate of one run, ms.
   * @example 40
   */
  @ApiInteger()
  expected_duration_ms: number | null;
  @ApiTime()
  created_at: string;
  @ApiTime()
  updated_at: string;
}

export class AgentCardPage implements Page<AgentCardDto> {
  items: AgentCardDto[];
  /** `cursor` of the next page; null on the last. */
  @ApiId()
  next_cursor: string | null;
}

export class AgentPage implements Page<AgentDto> {
  items: AgentDto[];
  /** `cursor` of the next page; null on the last. */
  @ApiId({ nullable: true })
  next_cursor: string | null;
}
