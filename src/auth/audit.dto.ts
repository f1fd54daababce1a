import { IsIn, IsIP, IsUUID } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { ApiId, ApiTime } from '../common/api-schema.js';
import { type Page, PageQuery } from '../common/pagination.js';
import { Optional } from '../common/validators.js';
import { AUDIT_TYPES, type AuditEvent, type AuditType } from './audit-event.entity.js';

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
  /** The account that did it; null for a request without a login. */
  @ApiId({ nullable: true })
  actor_id: string | null;
  /** The API key it was done with; null for a login. */
  @ApiId({ nullable: true })
  key_id: string | null;
  /** The account that it is about, or that owns the agent or task. Null for an unknown email and without an owner. */
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
