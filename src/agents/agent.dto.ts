import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { Transform } from 'class-transformer';
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

  /** What it does, for people. */
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

  /** Your estimate of one run, ms; used until the server has seen some. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(86_400_000)
  expected_duration_ms?: number;
}

export class UpdateAgentDto {
  @IsOptional()
  @Length(1, 120)
  @IsPlainText()
  name?: string;

  @IsOptional()
  @MaxLength(2000)
  @IsPlainText()
  description?: string;

  @IsOptional()
  @IsCapabilities()
  capabilities?: string[];

  @ApiPropertyOptional()
  @IsOptional()
  @IsAmount(0.5)
  price?: number | string;

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
  id: string;
  slug: string;
  name: string;
  description: string;
  capabilities: string[];
  /** Credits for one task. */
  price: number;
  /** The version that bids; null until the first upload. */
  version: string | null;
  statistics: AgentStatisticsDto;
}

export class AgentStatisticsDto {
  tasks_completed: number;
  /** Attempts that did not complete. */
  attempts_failed: number;
  /** Smoothed mean of the votes, 0–5. */
  rating: number;
  rating_count: number;
  /** What an auction expects a run to take, ms. */
  estimated_ms: number;
}

/** An agent as its owner sees it. */
export class AgentDto extends AgentCardDto {
  owner_id: string;
  status: 'active' | 'paused' | 'retired';
  expected_duration_ms: number | null;
  /** RFC 3339, UTC. */
  created_at: string;
  /** RFC 3339, UTC. */
  updated_at: string;
}

export class AgentCardPage implements Page<AgentCardDto> {
  items: AgentCardDto[];
  next_cursor: string | null;
}
