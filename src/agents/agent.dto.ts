import { PermissionsDto } from '../common/permissions.dto.js';
import { ApiProperty, ApiPropertyOptional, OmitType, PartialType } from '@nestjs/swagger';
import { IsIn, IsInt, IsNumber, IsOptional, IsString, IsUUID, Matches, Max, Min, MinLength } from 'class-validator';
import { ApiId, ApiInteger, ApiTime, JSON_SCHEMA } from '../common/api-schema.js';
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

/** The terms of an agent's bids, in addition to its price. */
export class AgentTermsDto {
  /** Credits added for each started KiB of a task's input. */
  @ApiPropertyOptional()
  @Optional()
  @IsAmount(0.001)
  price_per_kb?: number;

  /**
   * Factor on the price when the agent has as many tasks as `max_concurrency` allows; lower load, lower factor.
   * @example 1.5
   */
  @Optional()
  @IsNumber()
  @Min(1)
  @Max(10)
  surge?: number;

  /**
   * Concurrent tasks it accepts; null: no limit. At the limit it does not bid, and tasks that only it can do wait.
   * @example 4
   */
  @ApiInteger({ required: false, nullable: true })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(10_000)
  max_concurrency?: number | null;

  /**
   * Its region; null: none. It counts if the server routes by region.
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
   * What the agent does, for people.
   * @example "Sums a text up in a few of its own sentences."
   */
  @Optional()
  @IsString()
  @MaxLength(2000)
  @IsPlainText()
  description?: string;

  /**
   * Tags of what the agent can do. Tasks require them.
   * @example ["summarise"]
   */
  @IsCapabilities()
  capabilities: string[];

  /** Price of one task, in credits. */
  @IsAmount(0.5)
  price: number;

  /**
   * Your estimate of one run, ms. Used until the server has history, and never below `AUCTION_UNPROVEN_MS`.
   * @example 40
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(86_400_000)
  expected_duration_ms?: number;
}

/** The fields of an agent's card, each optional. */
export class AgentCardChangesDto extends PartialType(OmitType(CreateAgentDto, ['slug']), {
  skipNullProperties: false,
}) {}

/** Changes the given fields, for auctions from now on. Other fields stay. */
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

  /** Only your own agents, including paused ones and those without a version. */
  @Optional()
  @IsFlag()
  mine?: boolean;
}

export class BlockAgentDto {
  /**
   * Reason that the agent's owner reads.
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
  /** State to list; unset: agents that await approval. */
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
   * Minimum price of one task, in credits. `POST /auctions/simulate` answers what your task would cost.
   * @example 0.5
   */
  price: number;
  /**
   * Its region; null: none.
   * @example "eu-central"
   */
  region: string | null;
  /**
   * The version that bids; null until the first upload.
   * @example "1.0.0"
   */
  version: string | null;
  /** What that version may ask of the host; null: nothing. A task must allow it, or the agent does not bid for it. */
  permissions: PermissionsDto | null;
  statistics: AgentStatisticsDto;
}

export class AgentStatisticsDto {
  /**
   * Tasks of other accounts than its owner's, without those that an upheld dispute took back.
   * @example 49
   */
  @ApiInteger()
  tasks_completed: number;
  /**
   * Attempts that did not complete.
   * @example 1
   */
  @ApiInteger()
  attempts_failed: number;
  /**
   * Smoothed mean rating, 0–5.
   * @example 3.5
   */
  rating: number;
  /**
   * Accounts that have voted; each counts by its newest vote.
   * @example 12
   */
  @ApiInteger()
  rating_count: number;
  /**
   * Share of its attempts that completed; null before the first attempt.
   * @example 0.98
   */
  success_rate: number | null;
  /**
   * Run time that an auction expects, ms. It is based on observed runs, to two digits, and longer if bids promised too
   * little. An agent with few completed tasks counts as no faster than `AUCTION_UNPROVEN_MS`.
   * @example 40
   */
  estimated_ms: number;
  /**
   * Processor time that four of five runs do not exceed, ms; recent runs count more. Null without history.
   * @example 12.5
   */
  cpu_p80_ms: number | null;
  /**
   * Peak memory that four of five runs do not exceed, bytes; recent runs count more. Null without history.
   * @example 1179648
   */
  @ApiInteger()
  memory_p80_bytes: number | null;
  /**
   * How long its runs took, as a multiple of what its bids promised (decayed mean). Null before the first run.
   * @example 1.1
   */
  actual_to_estimate: number | null;
}

/** A card with what the active version declares. Lists leave the schemas out. */
export class DetailedCardDto extends AgentCardDto {
  /** JSON Schema of the inputs that this version takes; null: any. */
  @ApiProperty(JSON_SCHEMA)
  input_schema: object | null;
  /** JSON Schema of the outputs that it gives; null: any. */
  @ApiProperty(JSON_SCHEMA)
  output_schema: object | null;
}

/** An agent as its owner sees it. */
export class AgentDto extends DetailedCardDto {
  /** User id. */
  @ApiId()
  owner_id: string;
  status: 'active' | 'paused' | 'retired';
  /** Whether admins allow it on the market; `pending`: it awaits approval. Only `allowed` agents bid. */
  @ApiProperty({ enum: MODERATIONS })
  moderation: Moderation;
  /**
   * Why it is blocked; null unless it is.
   * @example null
   */
  @ApiProperty({ type: 'string', nullable: true })
  moderation_reason: string | null;
  /** When an admin last decided; null: never. */
  @ApiTime({ nullable: true })
  moderated_at: string | null;
  /**
   * Credits added for each started KiB of the input.
   * @example 0
   */
  price_per_kb: number;
  /**
   * Factor on the price at full load.
   * @example 1
   */
  surge: number;
  /**
   * Concurrent tasks it accepts; null: no limit.
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
