import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { Agent } from './agent.entity.js';

/** What the server has observed of an agent. The feed's projection writes it; auctions read it. */
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

  /** Decayed 80th percentile of their processor time, ms; null without history. */
  @Column({ type: 'double precision', nullable: true })
  cpuP80Ms: number | null;

  /** Decayed 80th percentile of their peak memory, bytes; null without history. */
  @Column({ type: 'double precision', nullable: true })
  memoryP80Bytes: number | null;

  /**
   * Decayed mean of the wall time of completed runs, as a multiple of what their bids promised; null without history.
   */
  @Column({ type: 'double precision', nullable: true })
  estimateRatio: number | null;

  /** Sum of the newest votes of all accounts. */
  @Column({ type: 'integer', default: 0 })
  ratingSum: number;

  /** Their number. */
  @Column({ type: 'integer', default: 0 })
  ratingCount: number;

  /** Accounts that have voted. */
  @Column({ type: 'integer', default: 0 })
  raters: number;

  /** Sum of their newest votes; of votes before release 0.2, the mean of each account. */
  @Column({ type: 'double precision', default: 0 })
  raterMeanSum: number;

  /** When it last had a seat in an auction that could not invite everyone. */
  @Column({ type: 'timestamptz', nullable: true })
  lastInvitedAt: Date | null;

  /** The transaction that last changed this row; the database sets it. */
  @Index('agent_statistics_revision_idx')
  @Column({ type: 'bigint', default: 0, select: false, insert: false, update: false })
  revision: string;
}
