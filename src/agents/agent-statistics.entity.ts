import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { Agent } from './agent.entity.js';

/** What the server itself has seen of an agent. Written by settlements and ratings, read by auctions. */
@Entity('agent_statistics')
export class AgentStatistics {
  @ForeignKey(() => Agent, { name: 'agent_statistics_agent_fkey' })
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'agent_statistics_pkey' })
  agentId: string;

  @Column({ type: 'integer', default: 0 })
  tasksCompleted: number;

  /** Attempts that did not complete. */
  @Column({ type: 'integer', default: 0 })
  attemptsFailed: number;

  /** Decayed 80th percentile of the wall time of completed runs, ms; null without history. */
  @Column({ type: 'double precision', nullable: true })
  durationP80Ms: number | null;

  /** The same of their processor time, ms. */
  @Column({ type: 'double precision', nullable: true })
  cpuP80Ms: number | null;

  /** The same of their peak memory, bytes. */
  @Column({ type: 'double precision', nullable: true })
  memoryP80Bytes: number | null;

  /** Decayed mean of the wall time of completed runs, as a multiple of what their bids promised; null without history. */
  @Column({ type: 'double precision', nullable: true })
  estimateRatio: number | null;

  @Column({ type: 'integer', default: 0 })
  ratingSum: number;

  @Column({ type: 'integer', default: 0 })
  ratingCount: number;

  /** Accounts that have voted. */
  @Column({ type: 'integer', default: 0 })
  raters: number;

  /** Sum over these accounts of the mean of their votes. */
  @Column({ type: 'double precision', default: 0 })
  raterMeanSum: number;

  /** When it last had a seat in an auction that could not invite everyone. */
  @Column({ type: 'timestamptz', nullable: true })
  lastInvitedAt: Date | null;

  /** The transaction that changed this row last; the database writes it. */
  @Index('agent_statistics_revision_idx')
  @Column({ type: 'bigint', default: 0, select: false, insert: false, update: false })
  revision: string;
}
