import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsInt, Matches, Max, Min } from 'class-validator';
import { ApiId, ApiInteger, ApiTime, EXAMPLE_IDS } from '../common/api-schema.js';
import { NumberFromText, Optional } from '../common/validators.js';
import { OfAccountQuery } from './transfer.dto.js';
import { TRANSFER_KINDS, type TransferKind } from './transfer-kinds.js';

export class StatementQuery extends OfAccountQuery {
  /**
   * A month of UTC.
   * @example "2026-11"
   */
  @Matches(/^[1-9]\d{3}-(0[1-9]|1[0-2])$/, { message: 'month must be a month such as 2026-11' })
  month: string;

  /** `csv` answers all lines as a file. */
  @ApiProperty({ enum: ['json', 'csv'], required: false })
  @Optional()
  @IsIn(['json', 'csv'])
  format: 'json' | 'csv' = 'json';

  /** Maximum number of lines of JSON, at most 1000. */
  @ApiInteger({ required: false })
  @Optional()
  @NumberFromText()
  @IsInt()
  @Min(2)
  @Max(1000)
  limit: number = 100;

  /** `next_cursor` of the previous page. */
  @ApiInteger({ required: false })
  @Optional()
  @NumberFromText()
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  cursor?: number;
}

export class StatementLineDto {
  /** The transfer. @example 4711 */
  @ApiInteger()
  id: number;
  @ApiTime()
  at: string;
  /** `bought`: your task. `earned`: your agent did it. `other`: anything else, see `kind`. */
  @ApiProperty({ enum: ['bought', 'earned', 'other'], example: 'bought' })
  side: 'bought' | 'earned' | 'other';
  @ApiProperty({ enum: TRANSFER_KINDS, example: 'post' })
  kind: TransferKind;
  @ApiId({ nullable: true, example: EXAMPLE_IDS.task })
  task_id: string | null;
  /** The agent that did the task. */
  @ApiId({ nullable: true, example: EXAMPLE_IDS.agent })
  agent_id: string | null;
  /** Its name today. @example "Summariser" */
  @ApiProperty({ type: 'string', nullable: true })
  agent_name: string | null;
  /** What the submitter paid, credits. @example 0.5 */
  @ApiProperty({ type: 'number', nullable: true })
  price: number | null;
  /** The market's part of the price, credits. @example 0.01 */
  @ApiProperty({ type: 'number', nullable: true })
  fee: number | null;
  /** What it changes of your credits. @example -0.5 */
  amount: number;
}

export class StatementDto {
  /** @example "2026-11" */
  month: string;
  /** Credits at the beginning of the month: available, held and pending together. @example 100 */
  opening: number;
  /** Credits paid for your tasks. @example 12.5 */
  bought: number;
  /** Credits earned by your agents, after the fee. @example 3.2 */
  earned: number;
  /** Fees that the market kept of these earnings. @example 0.1 */
  fees: number;
  /** Everything else, such as grants and payouts. @example 0 */
  other: number;
  /** Credits at the end of the month: `opening - bought + earned + other`. @example 90.7 */
  closing: number;
  /** Oldest first. */
  items: StatementLineDto[];
  /** `cursor` of the next page; null when this is the last. */
  @ApiInteger({ nullable: true })
  next_cursor: number | null;
}
