import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { User } from './user.entity.js';

/** One login: a family of refresh tokens. */
@Entity('sessions')
@Index('sessions_user_idx', ['userId'])
@Index('sessions_revoked_idx', ['revokedAt'], { where: 'revoked_at IS NOT NULL' })
@Index('sessions_expires_idx', ['expiresAt'])
export class Session {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'sessions_pkey' })
  id: string;

  @ForeignKey(() => User, { name: 'sessions_user_fkey', onDelete: 'CASCADE' })
  @Column('uuid')
  userId: string;

  /** Number of the family's current refresh token; see `refresh-tokens.ts`. */
  @Column({ type: 'integer', default: 0 })
  generation: number;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  /** When the current generation began. */
  @Column({ type: 'timestamptz', default: () => 'now()' })
  rotatedAt: Date;

  @Column({ type: 'timestamptz' })
  expiresAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  revokedAt: Date | null;
}
