import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsInt, IsUUID, Max, Min } from 'class-validator';
import { ApiId, ApiInteger, ApiTime, EXAMPLE_IDS } from '../common/api-schema.js';
import { IsTime, NumberFromText, Optional } from '../common/validators.js';
import { TRANSFER_KINDS, type TransferKind } from './transfer-kinds.js';

export class BalanceDto {
  /**
   * Credits that can be spent and withdrawn.
   * @example 93.5
   */
  available: number;
  /**
   * Credits reserved for unfinished tasks and requested payouts.
   * @example 4
   */
  held: number;
  /**
   * Credits earned that cannot be spent or withdrawn yet: younger than `PAYOUT_DELAY_DAYS`, or disputed.
   * @example 2.25
   */
  pending: number;
}

export class OfAccountQuery {
  /** Admins only: another account. Default: your own. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  user_id?: string;
}

export class ListTransfersQuery extends OfAccountQuery {
  /** Only transfers of this kind. */
  @ApiProperty({ enum: TRANSFER_KINDS, required: false })
  @Optional()
  @IsIn(TRANSFER_KINDS)
  kind?: TransferKind;

  /** Only transfers about this task. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  task_id?: string;

  /** Only transfers at this time or later. */
  @ApiTime({ required: false })
  @Optional()
  @IsTime()
  from?: string;

  /** Only transfers before this time. */
  @ApiTime({ required: false })
  @Optional()
  @IsTime()
  to?: string;

  /** Maximum number of items, at most 100. */
  @ApiInteger({ required: false })
  @Optional()
  @NumberFromText()
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 20;

  /** `next_cursor` of the previous page. */
  @ApiInteger({ required: false })
  @Optional()
  @NumberFromText()
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  cursor?: number;
}

export class TransferDto {
  /**
   * Grows in the order in which transfers were written.
   * @example 4711
   */
  @ApiInteger()
  id: number;
  @ApiTime()
  at: string;
  @ApiProperty({ enum: TRANSFER_KINDS, example: 'release' })
  kind: TransferKind;
  /**
   * Credits moved, above 0.
   * @example 0.5
   */
  amount: number;
  /**
   * What it changes of your available credits. Earnings (`post`) count here at once, and are pending at first.
   * @example 0.5
   */
  available_change: number;
  /**
   * What it changes of your held credits.
   * @example -0.5
   */
  held_change: number;
  @ApiId({ nullable: true, example: EXAMPLE_IDS.task })
  task_id: string | null;
  /** The agent that did the task, if the transfer closes a hold. */
  @ApiId({ nullable: true })
  agent_id: string | null;
  /** The API key that submitted the task, for its submitter. */
  @ApiId({ nullable: true })
  key_id: string | null;
  /** The grant, top-up or payout that caused it; null for a transfer about a task. */
  @ApiId({ nullable: true })
  reference_id: string | null;
}

export class TransferPage {
  items: TransferDto[];
  /**
   * `cursor` of the next page; null when this is the last.
   * @example 4700
   */
  @ApiInteger({ nullable: true })
  next_cursor: number | null;
}
