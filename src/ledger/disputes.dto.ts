import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsString, IsUUID, MinLength } from 'class-validator';
import { ApiId, ApiTime, EXAMPLE_IDS } from '../common/api-schema.js';
import { type Page, PageQuery } from '../common/pagination.js';
import { IsFlag, IsNotBlank, IsPlainText, MaxLength, Optional } from '../common/validators.js';

export const DISPUTE_STATUSES = ['open', 'upheld', 'rejected'] as const;
export type DisputeStatus = (typeof DISPUTE_STATUSES)[number];

export class OpenDisputeDto {
  /** A completed task of yours. */
  @ApiId({ example: EXAMPLE_IDS.task })
  @IsUUID()
  task_id: string;

  /**
   * What is wrong with the result; the agent's owner and admins read it.
   * @example "The summary is of another text."
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(2000)
  @IsPlainText()
  reason: string;
}

export class DisputeTextDto {
  /**
   * Read by the submitter, the agent's owner and admins.
   * @example "The input was empty."
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(2000)
  @IsPlainText()
  text: string;
}

export class ListDisputesQuery extends PageQuery {
  /** Only disputes with this status. */
  @ApiProperty({ enum: DISPUTE_STATUSES, required: false })
  @Optional()
  @IsIn(DISPUTE_STATUSES)
  status?: DisputeStatus;

  /** Admins only: those of all accounts. */
  @Optional()
  @IsFlag()
  all?: boolean;
}

export class DisputeDto {
  @ApiId()
  id: string;
  @ApiId({ example: EXAMPLE_IDS.task })
  task_id: string;
  @ApiId({ nullable: true, example: EXAMPLE_IDS.agent })
  agent_id: string | null;
  /** What the submitter paid, credits. @example 0.5 */
  amount: number;
  /** `upheld`: the submitter got it back. `rejected`: the agent's owner keeps it. */
  @ApiProperty({ enum: DISPUTE_STATUSES })
  status: DisputeStatus;
  /** @example "The summary is of another text." */
  reason: string;
  /** What the agent's owner says. @example "The input was empty." */
  @ApiProperty({ type: 'string', nullable: true })
  answer: string | null;
  /** Why an admin decided so. @example "The task's input was empty." */
  @ApiProperty({ type: 'string', nullable: true })
  decision: string | null;
  @ApiTime()
  opened_at: string;
  @ApiTime({ nullable: true })
  answered_at: string | null;
  @ApiTime({ nullable: true })
  decided_at: string | null;
}

export class DisputePage implements Page<DisputeDto> {
  items: DisputeDto[];
  /** `cursor` of the next page. */
  @ApiId({ nullable: true })
  next_cursor: string | null;
}
