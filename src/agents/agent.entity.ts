import { Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { User } from '../auth/index.js';
import { bigintColumn } from '../database/index.js';

/**
 * `active` agents bid. `paused` agents do not bid, by their owner's choice. `retired` agents are deleted except for
 * their history.
 */
export type AgentStatus = 'active' | 'paused' | 'retired';

/** Whether admins allow it on the market: `pending` agents await approval, `blocked` agents were removed from it. */
export const MODERATIONS = ['allowed', 'pending', 'blocked'] as const;
export type Moderation = (typeof MODERATIONS)[number];

/** A registered, owned and priced service. It can bid once it has an active version. */
@Entity('agents')
@Index('agents_owner_slug_key', ['ownerId', 'slug'], { unique: true, where: `status <> 'retired'` })
@Index('agents_moderation_idx', ['moderation', 'id'], { where: `moderation <> 'allowed'` })
@Index('agents_capabilities_idx', ['capabilities'], { type: 'gin' })
export class Agent {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'agents_pkey' })
  id: string;

  @ForeignKey(() => User, { name: 'agents_owner_fkey' })
  @Column('uuid')
  ownerId: string;

  /** The owner's name for it in addresses, unique among the owner's agents. */
  @Column({ type: 'varchar', length: 64 })
  slug: string;

  @Column({ type: 'varchar', length: 120 })
  name: string;

  @Column({ type: 'varchar', length: 2000, default: '' })
  description: string;

  @Column({ type: 'text', array: true })
  capabilities: string[];

  /** Minimum price of one task. */
  @Column(bigintColumn)
  priceMicro: bigint;

  /** Added for each started KiB of a task's input. */
  @Column({ ...bigintColumn, default: 0 })
  pricePerKbMicro: bigint;

  /** Factor on the price at full load; 1: no surge. */
  @Column({ type: 'double precision', default: 1 })
  surge: number;

  /** Concurrent tasks it accepts; null: no limit. */
  @Column({ type: 'integer', nullable: true })
  maxConcurrency: number | null;

  /** Region that its owner declared. */
  @Column({ type: 'varchar', length: 32, nullable: true })
  region: string | null;

  /** The owner's estimate of one run, used until there is history. */
  @Column({ type: 'integer', nullable: true })
  expectedDurationMs: number | null;

  @Column({ type: 'varchar', length: 16, default: 'active' })
  status: AgentStatus;

  /** Only admins change it. */
  @Column({ type: 'varchar', length: 16, default: 'allowed' })
  moderation: Moderation;

  /** Why it is blocked; its owner reads this. */
  @Column({ type: 'varchar', length: 500, nullable: true })
  moderationReason: string | null;

  /** When an admin last decided; null: never. */
  @Column({ type: 'timestamptz', nullable: true })
  moderatedAt: Date | null;

  /** The version that bids; null until the first upload. */
  @Column({ type: 'uuid', nullable: true })
  activeBinaryId: string | null;

  /** The transaction that last changed this row; the database sets it. An award is refused if it has changed. */
  @Index('agents_revision_idx')
  @Column({ type: 'bigint', default: 0, select: false, insert: false, update: false })
  revision: string;

  @CreateDateColumn({ type: 'timestamptz' })
  createdAt: Date;

  @UpdateDateColumn({ type: 'timestamptz' })
  updatedAt: Date;
}
