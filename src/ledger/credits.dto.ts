import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsString, IsUUID, MinLength } from 'class-validator';
import { ApiId, EXAMPLE_IDS } from '../common/api-schema.js';
import { IsAmount, IsNotBlank, IsPlainText, MaxLength } from '../common/validators.js';

export class GrantDto {
  /** The account that gets the credits. */
  @ApiId({ example: EXAMPLE_IDS.user })
  @IsUUID()
  user_id: string;

  /** Credits, above 0. */
  @IsAmount(50)
  amount: string | number;

  /**
   * Why; the account's user reads it.
   * @example "Pilot project"
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(500)
  @IsPlainText()
  reason: string;
}

export class CorrectionDto extends GrantDto {
  /** Whether credits are added or removed. */
  @ApiProperty({ enum: ['add', 'remove'] })
  @IsIn(['add', 'remove'])
  direction: 'add' | 'remove';
}

export class TopUpDto {
  /** The account that gets the credits. */
  @ApiId({ example: EXAMPLE_IDS.user })
  @IsUUID()
  user_id: string;

  /** Credits, above 0. */
  @IsAmount(25)
  amount: string | number;

  /**
   * What identifies the payment at its provider. The same reference is credited once.
   * @example "pay_3MtwBwLkdIwHu7ix28a3tqPa"
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(200)
  @IsPlainText()
  reference: string;
}

export class CreditDto {
  /** `reference_id` of the transfer. */
  @ApiId()
  id: string;
  @ApiId({ example: EXAMPLE_IDS.user })
  user_id: string;
  /** @example 50 */
  amount: number;
}

/** Sums over all accounts; together they are zero. Decimals as text: a JSON number is not exact at this size. */
export class LedgerTotalsDto {
  /** @example "1250.5" */
  available: string;
  /** @example "12" */
  held: string;
  /** Earnings that are not part of an available balance yet. @example "40.25" */
  pending: string;
  /** What the market has kept. @example "3.75" */
  fees: string;
  /** What was issued by grants and top-ups, as a negative amount. @example "-1406.5" */
  issued: string;
  /** @example "100" */
  paid_out: string;
}
