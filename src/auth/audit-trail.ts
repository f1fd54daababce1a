import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { newId } from '../common/ids.js';
import { type Page, toPage } from '../common/pagination.js';
import { AuditEvent, type AuditType } from './audit-event.entity.js';
import { type AuditEventDto, type AuditQuery, presentAuditEvent } from './auth.dto.js';

export interface AuditEntry {
  type: AuditType;
  actorId?: string;
  subjectId?: string;
  address?: string;
  /** Never a secret, nor any part of one. */
  details?: Record<string, unknown>;
}

/** The record of security-relevant acts. */
@Injectable()
export class AuditTrail {
  constructor(private readonly database: DataSource) {}

  /** @param transaction that of the act itself, so that neither is kept without the other */
  async record(entry: AuditEntry, transaction: EntityManager = this.database.manager): Promise<void> {
    await transaction.insert(AuditEvent, {
      id: newId(),
      type: entry.type,
      actorId: entry.actorId ?? null,
      subjectId: entry.subjectId ?? null,
      address: entry.address ?? null,
      details: (entry.details ?? {}) as object,
    });
  }

  /** Newest first. */
  async list({ type, user_id, address, limit, cursor }: AuditQuery): Promise<Page<AuditEventDto>> {
    const events = this.database
      .getRepository(AuditEvent)
      .createQueryBuilder('event')
      .orderBy('event.id', 'DESC')
      .limit(limit + 1);
    if (type) events.andWhere('event.type = :type', { type });
    if (user_id) events.andWhere('(event.subject_id = :user_id OR event.actor_id = :user_id)', { user_id });
    if (address) events.andWhere('event.address = :address', { address });
    if (cursor) events.andWhere('event.id < :cursor', { cursor });
    return toPage(await events.getMany(), limit, presentAuditEvent);
  }
}
