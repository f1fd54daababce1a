import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/**
 * The feed's table; see `event-log.ts` for its writers and readers, and for why `seq` follows the order of commits. It
 * has no foreign keys: it is an append-only log that outlives its subjects.
 */
@Entity('task_events')
@Index('task_events_task_idx', ['taskId', 'seq'], { where: 'task_id IS NOT NULL' })
@Index('task_events_agent_idx', ['agentId', 'seq'], { where: 'agent_id IS NOT NULL' })
@Index('task_events_owner_idx', ['agentOwnerId', 'seq'], { where: 'agent_owner_id <> user_id' })
@Index('task_events_announcement_idx', ['seq'], { where: `"type" = 'system.announcement'` })
@Index('task_events_user_idx', ['userId', 'seq'], { where: 'user_id IS NOT NULL' })
export class FeedEventRow {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'task_events_pkey',
  })
  seq: string;

  @Column({ type: 'uuid', nullable: true })
  taskId: string | null;

  @Column({ type: 'uuid', nullable: true })
  userId: string | null;

  @Column({ type: 'uuid', nullable: true })
  agentOwnerId: string | null;

  /** The agent in `data`, stored for the index. */
  @Column({ type: 'uuid', nullable: true })
  agentId: string | null;

  @Column({ type: 'varchar', length: 40 })
  type: string;

  @Column({ type: 'json' })
  data: object;

  /** The agent's output, where the event carries it: `result` of `data` on the wire. A column of its own, to be read as text. */
  @Column({ type: 'json', nullable: true })
  result: object | null;

  @Column({ type: 'timestamptz', default: () => 'clock_timestamp()' })
  at: Date;

  /** `traceparent` of the span that wrote it, if its trace is recorded. */
  @Column({ type: 'varchar', length: 55, nullable: true })
  traceparent: string | null;
}
