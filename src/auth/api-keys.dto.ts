import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsString, MinLength } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { type Scope, SCOPES } from '../common/access.js';
import { ApiId, ApiTime } from '../common/api-schema.js';
import type { Page } from '../common/pagination.js';
import { IsInFuture, IsNotBlank, IsPlainText, IsTime, MaxLength, Optional } from '../common/validators.js';
import type { ApiKey } from './api-key.entity.js';

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
