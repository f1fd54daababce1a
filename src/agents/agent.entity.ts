import { Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { User } from '../auth/index.js';
import { bigintColumn } from '../database/index.js';

/** `active` agents bid; `paused` ones are out of auctions by their owner's wish; `retired` ones are deleted but for their history. */
export type AgentStatus = 'active' | 'paused' | 'retired';

/** Whether admins let it onto the market: `pending` agents await approval, `blocked` ones were taken off it. */
export const MODERATIONS = ['allowed', 'pending', 'blocked'] as const;
export type Moderation = (typeof MODERATIONS)[number];

/** A registered, owned, priced service. It can bid once it has an active version. */
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

  /** What one task costs at least. */
  @Column(bigintColumn)
  priceMicro: bigint;

  /** Added for each begun KiB of a task's input. */
  @Column({ ...bigintColumn, default: 0 })
  pricePerKbMicro: bigint;

  /** By how much the price is multiplied when it has as much to do as it takes on; 1: never. */
  @Column({ type: 'double precision', default: 1 })
  surge: number;

  /** Tasks it takes on at once; null: any number. */
  @Column({ type: 'integer', nullable: true })
  maxConcurrency: number | null;

  /** Where its owner says it belongs. */
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

  /** Why it is blocked, in words for its owner. */
  @Column({ type: 'varchar', length: 500, nullable: true })
  moderationReason: string | null;

  /** When an admin decided last; null: never. */
  @Column({ type: 'timestamptz', nullable: true })
  moderatedAt: Date | null;

  /** The version that bids; null until the first upload. */
  @Column({ type: 'uuid', nullable: true })
  activeBinaryId: string | null;

  /** The transaction that changed this row last; the database writes it. An award is refused when it is no longer this one. */
  @Index('agents_revision_idx')
  @Column({ type: 'bigint', default: 0, select: false, insert: false, update: false })
  revision: string;

  @CreateDateColumn({ type: 'timestamptz' })
  createdAt: Date;

  @UpdateDateColumn({ type: 'timestamptz' })
  updatedAt: Date;
}
