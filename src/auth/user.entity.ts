import { Column, CreateDateColumn, Entity, Index, PrimaryColumn } from 'typeorm';

export const USER_ROLES = ['user', 'admin'] as const;
export type UserRole = (typeof USER_ROLES)[number];

@Entity('users')
@Index('users_to_erase_idx', ['deletedAt'], { where: 'deleted_at IS NOT NULL AND erased_at IS NULL' })
@Index('users_access_changed_idx', ['accessChangedAt'], { where: 'access_changed_at IS NOT NULL' })
export class User {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'users_pkey' })
  id: string;

  /** Lower case. */
  @Index('users_email_key', { unique: true })
  @Column({ type: 'varchar', length: 254 })
  email: string;

  /** argon2id, PHC string format. */
  @Column({ type: 'text' })
  passwordHash: string;

  @Column({ type: 'varchar', length: 16, default: 'user' })
  role: UserRole;

  /** Shares of the slots that its tasks get while others wait too: 1, or more if an admin granted it. */
  @Column({ type: 'smallint', default: 1 })
  queueWeight: number;

  /** Opened by registration, not by an admin. */
  @Column({ type: 'boolean', default: false })
  selfRegistered: boolean;

  /** Set: tokens and keys of the account are refused. */
  @Column({ type: 'timestamptz', nullable: true })
  suspendedAt: Date | null;

  /** The reason, for the account's user; null if none was given. */
  @Column({ type: 'varchar', length: 500, nullable: true })
  suspensionReason: string | null;

  /** Set: the account was deleted, and is suspended for good. The row stays because other rows refer to its id. */
  @Column({ type: 'timestamptz', nullable: true })
  deletedAt: Date | null;

  /** When nothing was left of a deleted account but its row, its agents' rows and the audit trail. */
  @Column({ type: 'timestamptz', nullable: true })
  erasedAt: Date | null;

  /** Last change of role or suspension: what access tokens issued before may not know. */
  @Column({ type: 'timestamptz', nullable: true })
  accessChangedAt: Date | null;

  @CreateDateColumn({ type: 'timestamptz' })
  createdAt: Date;
}
