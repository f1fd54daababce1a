import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { Transform } from 'class-transformer';
import { ApiId, ApiInteger, ApiTime } from '../common/api-schema.js';
import { type Page, PageQuery } from '../common/pagination.js';
import { CAPABILITY, IsAmount, IsCapabilities, IsPlainText, SLUG } from '../common/validators.js';

export class CreateAgentDto {
  /**
   * Your name for the agent in addresses, unique among your agents.
   * @example "my-agent"
   */
  @Matches(SLUG, { message: 'slug must be 1 to 64 lower-case letters, digits or "-", and not start with "-"' })
  slug: string;

  /** @example "My agent" */
  @Length(1, 120)
  @IsPlainText()
  name: string;

  /**
   * What it does, for people.
   * @example "Sums a text up in a few of its own sentences."
   */
  @IsOptional()
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
  price: number | string;

  /**
   * Your estimate of one run, ms; used until the server has seen some.
   * @example 40
   */
  @ApiInteger({ required: false })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(86_400_000)
  expected_duration_ms?: number;
}

export class UpdateAgentDto {
  /** @example "My better agent" */
  @IsOptional()
  @Length(1, 120)
  @IsPlainText()
  name?: string;

  /** @example "Sums a text up in a few of its own sentences." */
  @IsOptional()
  @MaxLength(2000)
  @IsPlainText()
  description?: string;

  /** @example ["summarise", "keywords"] */
  @IsOptional()
  @IsCapabilities()
  capabilities?: string[];

  /** Counts for auctions from now on. */
  @ApiPropertyOptional()
  @IsOptional()
  @IsAmount(0.5)
  price?: number | string;

  /** @example 40 */
  @ApiInteger({ required: false })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(86_400_000)
  expected_duration_ms?: number;

  /** A paused agent gets no further tasks. */
  @IsOptional()
  @IsIn(['active', 'paused'])
  status?: 'active' | 'paused';
}

export class ListAgentsQuery extends PageQuery {
  /** Only agents that offer this capability. */
  @IsOptional()
  @IsString()
  @Matches(CAPABILITY, { message: 'capability must be 1 to 64 lower-case letters, digits, ".", "_" or "-"' })
  capability?: string;

  /** Only your own agents, paused ones and those without a version included. */
  @IsOptional()
  @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  mine?: boolean;
}

/** The public description of an agent. */
export class AgentCardDto {
  @ApiId()
  id: string;
  /** @example "my-agent" */
  slug: string;
  /** @example "My agent" */
  name: string;
  description: string;
  /** @example ["summarise"] */
  capabilities: string[];
  /**
   * Credits for one task.
   * @example 0.5
   */
  price: number;
  /**
   * The version that bids; null until the first upload.
   * @example "1.0.0"
   */
  version: string | null;
  statistics: AgentStatisticsDto;
}

export class AgentStatisticsDto {
  @ApiInteger()
  tasks_completed: number;
  /** Attempts that did not complete. */
  @ApiInteger()
  attempts_failed: number;
  /**
   * Smoothed mean of the votes, 0–5.
   * @example 3.5
   */
  rating: number;
  @ApiInteger()
  rating_count: number;
  /** What an auction expects a run to take, ms. */
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
}

/** An agent as its owner sees it. */
export class AgentDto extends AgentCardDto {
  /** User id. */
  @ApiId()
  owner_id: string;
  status: 'active' | 'paused' | 'retired';
  /** The owner's estimate of one run, ms. */
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
