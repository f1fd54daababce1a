import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsEmail,
  IsIn,
  IsIP,
  IsString,
  IsUUID,
  MinLength,
} from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { SCOPES, type Scope } from '../common/access.js';
import { ApiId, ApiInteger, ApiTime } from '../common/api-schema.js';
import { type Page, PageQuery } from '../common/pagination.js';
import { IsFlag, IsInFuture, IsNotBlank, IsPlainText, IsTime, MaxLength, Optional } from '../common/validators.js';
import type { ApiKey } from './api-key.entity.js';
import { AUDIT_TYPES, type AuditEvent, type AuditType } from './audit-event.entity.js';
import { USER_ROLES, type User, type UserRole } from './user.entity.js';

/** Emails are compared, and kept, in lower case. */
const LowerCase = () => Transform(({ value }) => (typeof value === 'string' ? value.trim().toLowerCase() : value));

export class CredentialsDto {
  /** @example "ada@example.org" */
  @LowerCase()
  @IsEmail()
  @MaxLength(254)
  email: string;

  /**
   * At least 10 characters; any characters.
   * @example "correct horse battery"
   */
  @IsString()
  @MinLength(10)
  @MaxLength(200)
  password: string;
}

export class LoginDto {
  /** @example "ada@example.org" */
  @LowerCase()
  @IsEmail()
  email: string;

  /** @example "correct horse battery" */
  @IsString()
  @MaxLength(200)
  password: string;
}

export class RefreshDto {
  /**
   * As the last answer gave it. It is good once.
   * @example "zsr_01993c5e-8a1b-7c3d-9e4f-5a6b7c8d9e0f.0.ybW3YjvCb0JbqDUnSFu1Bv1PkbPPcFhcTuGwHyXGSzA"
   */
  @IsString()
  @IsPlainText()
  @MaxLength(200)
  refresh_token: string;
}

export class PasswordDto {
  /** @example "correct horse battery" */
  @IsString()
  @MaxLength(200)
  current_password: string;

  /**
   * At least 10 characters; any characters.
   * @example "staple battery horse correct"
   */
  @IsString()
  @MinLength(10)
  @MaxLength(200)
  new_password: string;
}

export class EmailDto {
  /** @example "ada@example.org" */
  @LowerCase()
  @IsEmail()
  @MaxLength(254)
  email: string;
}

export class ResetPasswordDto {
  /**
   * From the mail, or from an admin. It is good once.
   * @example "pX1jQb8…"
   */
  @IsString()
  @IsPlainText()
  @MaxLength(200)
  token: string;

  /**
   * At least 10 characters; any characters.
   * @example "staple battery horse correct"
   */
  @IsString()
  @MinLength(10)
  @MaxLength(200)
  new_password: string;
}

export class PasswordResetDto {
  /**
   * For `POST /auth/password/reset`. It is shown this once.
   * @example "pX1jQb8…"
   */
  token: string;
  /**
   * The same as a link, where the server has a page for it; else null.
   * @example "https://market.example.org/reset#token=pX1jQb8…"
   */
  @ApiProperty({ type: 'string', nullable: true })
  url: string | null;
  @ApiTime()
  expires_at: string;
}

export class DeleteAccountDto {
  /** @example "correct horse battery" */
  @IsString()
  @MaxLength(200)
  password: string;
}

export class CreateAccountDto extends CredentialsDto {
  /** @example "user" */
  @ApiProperty({ enum: USER_ROLES, required: false })
  @Optional()
  @IsIn(USER_ROLES)
  role: UserRole = 'user';
}

export class ChangeAccountDto {
  /** @example "admin" */
  @ApiProperty({ enum: USER_ROLES })
  @IsIn(USER_ROLES)
  role: UserRole;
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

export class UserDto {
  @ApiId()
  id: string;
  /**
   * Lower case.
   * @example "ada@example.org"
   */
  email: string;
  role: UserRole;
  @ApiTime()
  created_at: string;
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

export class SessionDto {
  /**
   * JWT for `Authorization: Bearer`.
   * @example "eyJhbGciOiJIUzI1NiIs…"
   */
  access_token: string;
  token_type: 'Bearer';
  /**
   * Seconds until the access token expires: no later than its login.
   * @example 900
   */
  @ApiInteger()
  expires_in: number;
  /**
   * For `POST /auth/refresh`, once: the answer has the next.
   * @example "zsr_01993c5e-8a1b-7c3d-9e4f-5a6b7c8d9e0f.0.ybW3YjvCb0JbqDUnSFu1Bv1PkbPPcFhcTuGwHyXGSzA"
   */
  refresh_token: string;
  /** When the login ends, however often it is refreshed. */
  @ApiTime()
  refresh_expires_at: string;
  user: UserDto;
}

export class CreateApiKeyDto {
  /**
   * For you to tell your keys apart.
   * @example "nightly reports"
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(100)
  @IsPlainText()
  name: string;

  /** @example ["tasks:read", "tasks:write"] */
  @ApiProperty({ enum: SCOPES, isArray: true, example: ['tasks:read', 'tasks:write'] })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(SCOPES.length)
  @ArrayUnique()
  @IsIn(SCOPES, { each: true })
  scopes: Scope[];

  /** In the future; unset: it does not expire. */
  @ApiTime({ required: false, example: '2099-01-01T00:00:00Z' })
  @Optional()
  @IsTime()
  @IsInFuture()
  expires_at?: string;
}

export class ApiKeyDto {
  @ApiId()
  id: string;
  /** @example "nightly reports" */
  name: string;
  /**
   * The key's first characters.
   * @example "zsk_8fXq2LmA"
   */
  prefix: string;
  @ApiProperty({ enum: SCOPES, isArray: true })
  scopes: Scope[];
  /** The key it was made with, and is revoked with; null for one made by a login. */
  @ApiId({ nullable: true })
  made_with_id: string | null;
  @ApiTime()
  created_at: string;
  @ApiTime({ nullable: true })
  expires_at: string | null;
  /** To the minute. */
  @ApiTime({ nullable: true })
  last_used_at: string | null;
  @ApiTime({ nullable: true })
  revoked_at: string | null;
}

export class NewApiKeyDto extends ApiKeyDto {
  /**
   * For `X-API-Key`. Shown this once.
   * @example "zsk_8fXq2LmA…"
   */
  key: string;
}

export class ApiKeyPage implements Page<ApiKeyDto> {
  items: ApiKeyDto[];
  /** `cursor` of the next page. */
  @ApiId({ nullable: true })
  next_cursor: string | null;
}

export class AuditQuery extends PageQuery {
  /** Only acts of this type. */
  @ApiProperty({ enum: AUDIT_TYPES, required: false })
  @Optional()
  @IsIn(AUDIT_TYPES)
  type?: AuditType;

  /** Only acts by or about this account. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  user_id?: string;

  /** Only acts that were done with this API key. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  key_id?: string;

  /** Only acts from this address. */
  @Optional()
  @IsIP()
  address?: string;
}

export class AuditEventDto {
  @ApiId()
  id: string;
  @ApiTime()
  at: string;
  @ApiProperty({ enum: AUDIT_TYPES })
  type: AuditType;
  /** Who did it; null when nobody was logged in. */
  @ApiId({ nullable: true })
  actor_id: string | null;
  /** The API key it was done with; null for a login. */
  @ApiId({ nullable: true })
  key_id: string | null;
  /** Whose account, agent or task it is about; null for an email that nobody has, and for what belongs to nobody. */
  @ApiId({ nullable: true })
  subject_id: string | null;
  /**
   * Where the request came from.
   * @example "203.0.113.7"
   */
  @ApiProperty({ type: 'string', nullable: true })
  address: string | null;
  /** @example { "scopes": ["tasks:read"] } */
  details: Record<string, unknown>;
}

export class AuditPage implements Page<AuditEventDto> {
  items: AuditEventDto[];
  /** `cursor` of the next page. */
  @ApiId({ nullable: true })
  next_cursor: string | null;
}

export const presentUser = (user: User): UserDto => ({
  id: user.id,
  email: user.email,
  role: user.role,
  created_at: user.createdAt.toISOString(),
});

export const presentAccount = (user: User): AccountDto => ({
  ...presentUser(user),
  suspended_at: user.suspendedAt?.toISOString() ?? null,
  suspension_reason: user.suspensionReason,
});

export const presentKey = (key: ApiKey): ApiKeyDto => ({
  id: key.id,
  name: key.name,
  prefix: key.prefix,
  scopes: key.scopes,
  made_with_id: key.madeWithId,
  created_at: key.createdAt.toISOString(),
  expires_at: key.expiresAt?.toISOString() ?? null,
  last_used_at: key.lastUsedAt?.toISOString() ?? null,
  revoked_at: key.revokedAt?.toISOString() ?? null,
});

export const presentAuditEvent = (event: AuditEvent): AuditEventDto => ({
  id: event.id,
  at: event.at.toISOString(),
  type: event.type,
  actor_id: event.actorId,
  key_id: event.keyId,
  subject_id: event.subjectId,
  address: event.address,
  details: event.details,
});
