import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DataSource, type EntityManager } from 'typeorm';
import { newId } from '../common/ids.js';
import { type Page, toPage } from '../common/pagination.js';
import { AuditEvent, type AuditType } from './audit-event.entity.js';
import { type AuditEventDto, type AuditQuery, presentAuditEvent } from './audit.dto.js';
import type { Caller } from './caller.js';

const LOOK_MS = 60_000;
const MOST_LOOKS = 10_000;

export interface AuditEntry {
  type: AuditType;
  /** Without `id`: a client that is not logged in. Unset: the operator at the machine, or the server itself. */
  by?: Partial<Pick<Caller, 'id' | 'key' | 'address'>>;
  /** Whose account, agent or task it is about. */
  subjectId?: string;
  /** Never a secret, nor any part of one. */
  details?: Record<string, unknown>;
}

/** The record of security-relevant acts. An act outside a transaction is recorded before it happens. */
@Injectable()
export class AuditTrail {
  /** Reads that need no entry before this time, milliseconds since the epoch. */
  private readonly looks = new LRUCache<string, number>({ max: MOST_LOOKS });

  constructor(private readonly database: DataSource) {}

  /** @param transaction of the act itself, so that both are kept or neither */
  async record(
    { type, by = {}, subjectId, details = {} }: AuditEntry,
    transaction: EntityManager = this.database.manager,
  ): Promise<void> {
    await transaction.insert(AuditEvent, {
      id: newId(),
      type,
      actorId: by.id ?? null,
      keyId: by.key?.id ?? null,
      subjectId: subjectId ?? null,
      address: by.address ?? null,
      details: details as object,
    });
  }

  /** Records an act on what belongs to `subjectId`, unless that is who does it: others are admins. Parameters as of `record`. */
  async recordForOthers(
    entry: AuditEntry & { by: Caller; subjectId: string },
    transaction?: EntityManager,
  ): Promise<void> {
    if (entry.by.id !== entry.subjectId) await this.record(entry, transaction);
  }

  /**
   * Records that somebody looked at what belongs to `subjectId`, or to everybody; one's own needs no entry. A look that is repeated
   * within a minute, as by a page that renews itself, is recorded once by each process.
   */
  async recordRead(entry: AuditEntry & { by: Caller }): Promise<void> {
    const { type, by, subjectId, details } = entry;
    if (by.id === subjectId) return;
    const look = JSON.stringify([type, by.id, by.key?.id, by.address, subjectId, details]);
    const now = Date.now();
    if ((this.looks.get(look) ?? 0) > now) return;
    await this.record(entry);
    this.looks.set(look, now + LOOK_MS);
  }

  /** Newest first. */
  async list({ type, user_id, key_id, address, limit, cursor }: AuditQuery): Promise<Page<AuditEventDto>> {
    const events = this.database
      .getRepository(AuditEvent)
      .createQueryBuilder('event')
      .orderBy('event.id', 'DESC')
      .limit(limit + 1);
    if (type) events.andWhere('event.type = :type', { type });
    if (user_id) events.andWhere('(event.subject_id = :user_id OR event.actor_id = :user_id)', { user_id });
    if (key_id) events.andWhere('event.key_id = :key_id', { key_id });
    if (address) events.andWhere('event.address = :address', { address });
    if (cursor) events.andWhere('event.id < :cursor', { cursor });
    return toPage(await events.getMany(), limit, presentAuditEvent);
  }
}
