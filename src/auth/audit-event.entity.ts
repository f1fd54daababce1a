import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

export const AUDIT_TYPES = [
  'account.registered',
  'account.created',
  'account.suspended',
  'account.unsuspended',
  'account.role_changed',
  'account.queue_weight_changed',
  'account.password_changed',
  'account.password_refused',
  'account.password_reset_issued',
  'account.password_reset',
  'account.deleted',
  'login.succeeded',
  'login.failed',
  'login.throttled',
  'session.ended',
  'session.all_ended',
  'session.refresh_reused',
  'api_key.created',
  'api_key.revoked',
  'log_level.changed',
  'agent.updated',
  'agent.blocked',
  'agent.unblocked',
  'agent.approved',
  'agent.version_uploaded',
  'agent.version_activated',
  'agent.version_retired',
  'secret.set',
  'secret.deleted',
  'webhook.created',
  'webhook.updated',
  'webhook.secret_rotated',
  'webhook.deleted',
  'task.read',
  'task.cancelled',
  'task.retried',
  'task.rated',
  'tasks.listed',
  'feed.followed',
  'announcement.made',
  'queue.paused',
  'queue.resumed',
  'queue.drained',
  'queue.failed_retried',
  'queue.dashboard_opened',
  'ledger.read',
  'ledger.grant',
  'ledger.correction',
  'ledger.topup',
  'ledger.limits_set',
  'payout.requested',
  'payout.paid',
  'payout.rejected',
  'dispute.opened',
  'dispute.upheld',
  'dispute.rejected',
] as const;
export type AuditType = (typeof AUDIT_TYPES)[number];

/**
 * One security-relevant act. Append-only: a trigger refuses every change. It has no foreign keys, because it outlives
 * its subjects.
 */
@Entity('audit_log')
@Index('audit_log_type_idx', ['type', 'id'])
@Index('audit_log_subject_idx', ['subjectId', 'id'])
export class AuditEvent {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'audit_log_pkey' })
  id: string;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  at: Date;

  @Column({ type: 'varchar', length: 40 })
  type: AuditType;

  /** The actor; null without a login. */
  @Column({ type: 'uuid', nullable: true })
  actorId: string | null;

  /** The API key used; null for a login. */
  @Column({ type: 'uuid', nullable: true })
  keyId: string | null;

  /** The account that it is about, or that owns the agent or task. Null for an unknown email and without an owner. */
  @Column({ type: 'uuid', nullable: true })
  subjectId: string | null;

  /** Where the request came from. */
  @Column({ type: 'varchar', length: 45, nullable: true })
  address: string | null;

  @Column({ type: 'json', default: {} })
  details: Record<string, unknown>;
}
