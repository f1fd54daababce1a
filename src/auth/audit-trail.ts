import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { EntityManager, Repository } from 'typeorm';
import { newId } from '../common/ids.js';
import { AuditEvent, type AuditType } from './audit-event.entity.js';

export interface AuditEntry {
  type: AuditType;
  actorId?: string;
  subjectId?: string;
  address?: string;
  /** Never a secret, nor any part of one. */
  details?: Record<string, unknown>;
}

export interface AuditFilter {
  type?: AuditType;
  user_id?: string;
  address?: string;
  limit: number;
  cursor?: string;
}

/** The record of security-relevant acts. */
@Injectable()
export class AuditTrail {
  constructor(@InjectRepository(AuditEvent) private readonly events: Repository<AuditEvent>) {}

  /** @param transaction that of the act itself, so that neither is kept without the other */
  async record(entry: AuditEntry, transaction?: EntityManager): Promise<void> {
    const events = transaction?.getRepository(AuditEvent) ?? this.events;
    await events.insert({
      id: newId(),
      type: entry.type,
      actorId: entry.actorId ?? null,
      subjectId: entry.subjectId ?? null,
      address: entry.address ?? null,
      details: (entry.details ?? {}) as object,
    });
  }

  /** Newest first, one more than asked for. */
  list({ type, user_id, address, limit, cursor }: AuditFilter): Promise<AuditEvent[]> {
    const query = this.events
      .createQueryBuilder('event')
      .orderBy('event.id', 'DESC')
      .limit(limit + 1);
    if (type) query.andWhere('event.type = :type', { type });
    if (user_id) query.andWhere('(event.subject_id = :user_id OR event.actor_id = :user_id)', { user_id });
    if (address) query.andWhere('event.address = :address', { address });
    if (cursor) query.andWhere('event.id < :cursor', { cursor });
    return query.getMany();
  }
}
