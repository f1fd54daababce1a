import { Column, CreateDateColumn, Entity, Index, PrimaryColumn } from 'typeorm';

export const USER_ROLES = ['user', 'admin'] as const;
export type UserRole = (typeof USER_ROLES)[number];

@Entity('users')
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

  /** Set: neither tokens nor keys of the account are good. */
  @Column({ type: 'timestamptz', nullable: true })
  suspendedAt: Date | null;

  /** Why, in words for the account's user; null when no reason was given. */
  @Column({ type: 'varchar', length: 500, nullable: true })
  suspensionReason: string | null;

  /** Last change of role or suspension: what access tokens issued before may not know. */
  @Column({ type: 'timestamptz', nullable: true })
  accessChangedAt: Date | null;

  @CreateDateColumn({ type: 'timestamptz' })
  createdAt: Date;
}
