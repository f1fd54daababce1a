import { IsEmail, IsIn, IsInt, IsString, Max, Min, MinLength } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { ApiId, ApiTime } from '../common/api-schema.js';
import { type Page, PageQuery } from '../common/pagination.js';
import { IsFlag, IsNotBlank, IsPlainText, MaxLength, Optional } from '../common/validators.js';
import { type User, USER_ROLES, type UserRole } from './user.entity.js';
import { CredentialsDto, LowerCase, presentUser, UserDto } from './auth.dto.js';

const MAX_QUEUE_WEIGHT = 100;

export class CreateAccountDto extends CredentialsDto {
  /** @example "user" */
  @ApiProperty({ enum: USER_ROLES, required: false })
  @Optional()
  @IsIn(USER_ROLES)
  role: UserRole = 'user';
}

export class ChangeAccountDto {
  /** @example "admin" */
  @ApiProperty({ enum: USER_ROLES, required: false })
  @Optional()
  @IsIn(USER_ROLES)
  role?: UserRole;

  /**
   * Shares of the workers that the account's tasks get while tasks of other accounts wait. Other accounts have 1.
   * @example 2
   */
  @Optional()
  @IsInt()
  @Min(1)
  @Max(MAX_QUEUE_WEIGHT)
  queue_weight?: number;
}

export class SuspendAccountDto {
  /**
   * Why, in words for the account's user.
   * @example "Uploads the work of others."
   */
  @Optional()
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(500)
  @IsPlainText()
  reason?: string;
}

export class AccountDto extends UserDto {
  /** Since when neither its tokens nor its keys are good. */
  @ApiTime({ nullable: true })
  suspended_at: string | null;
  /**
   * Why, as the admin gave it.
   * @example null
   */
  @ApiProperty({ type: 'string', nullable: true })
  suspension_reason: string | null;
  /**
   * Shares of the workers that the account's tasks get while tasks of other accounts wait.
   * @example 1
   */
  queue_weight: number;
}

export class AccountPage implements Page<AccountDto> {
  items: AccountDto[];
  /** `cursor` of the next page. */
  @ApiId({ nullable: true })
  next_cursor: string | null;
}

export class ListAccountsQuery extends PageQuery {
  /** Only accounts with this role. */
  @ApiProperty({ enum: USER_ROLES, required: false })
  @Optional()
  @IsIn(USER_ROLES)
  role?: UserRole;

  /** Only accounts that are suspended, or that are not. */
  @Optional()
  @IsFlag()
  suspended?: boolean;

  /** Only the account with this email. */
  @Optional()
  @LowerCase()
  @IsEmail()
  email?: string;
}

export const presentAccount = (user: User): AccountDto => ({
  ...presentUser(user),
  suspended_at: user.suspendedAt?.toISOString() ?? null,
  suspension_reason: user.suspensionReason,
  queue_weight: user.queueWeight,
});
