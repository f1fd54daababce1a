import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsString, IsUUID, MinLength } from 'class-validator';
import { ApiId, ApiTime, EXAMPLE_IDS } from '../common/api-schema.js';
import { type Page, PageQuery } from '../common/pagination.js';
import { IsAmount, IsFlag, IsNotBlank, IsPlainText, MaxLength, Optional } from '../common/validators.js';

export const PAYOUT_STATUSES = ['requested', 'paid', 'rejected'] as const;
export type PayoutStatus = (typeof PAYOUT_STATUSES)[number];

export class RequestPayoutDto {
  /** Credits, above 0. */
  @IsAmount(20)
  amount: string | number;

  /**
   * Where to, in words that the operator asks for. The operator's admins read it.
   * @example "IBAN ending in 4711"
   */
  @Optional()
  @IsString()
  @MaxLength(500)
  @IsPlainText()
  note?: string;
}

export class ConfirmPayoutDto {
  /**
   * The reference of the payment that was made.
   * @example "transfer 2026-11-30/17"
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(500)
  @IsPlainText()
  reference: string;
}

export class ReasonDto {
  /**
   * Why; the account's user reads it.
   * @example "The account holder's name differs."
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(500)
  @IsPlainText()
  reason: string;
}

export class ListPayoutsQuery extends PageQuery {
  /** Only payouts with this status. */
  @ApiProperty({ enum: PAYOUT_STATUSES, required: false })
  @Optional()
  @IsIn(PAYOUT_STATUSES)
  status?: PayoutStatus;

  /** Admins only: those of another account. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  user_id?: string;

  /** Admins only: those of all accounts. */
  @Optional()
  @IsFlag()
  all?: boolean;
}

export class PayoutDto {
  @ApiId()
  id: string;
  @ApiId({ example: EXAMPLE_IDS.user })
  user_id: string;
  /** @example 20 */
  amount: number;
  /** `requested`: the amount is held. `paid`: it was paid. `rejected`: it is available again. */
  @ApiProperty({ enum: PAYOUT_STATUSES })
  status: PayoutStatus;
  /** @example "IBAN ending in 4711" */
  @ApiProperty({ type: 'string', nullable: true })
  note: string | null;
  /** The payment's reference, or why it was rejected. @example "transfer 2026-11-30/17" */
  @ApiProperty({ type: 'string', nullable: true })
  answer: string | null;
  @ApiTime()
  requested_at: string;
  @ApiTime({ nullable: true })
  decided_at: string | null;
}

export class PayoutPage implements Page<PayoutDto> {
  items: PayoutDto[];
  /** `cursor` of the next page. */
  @ApiId({ nullable: true })
  next_cursor: string | null;
}
