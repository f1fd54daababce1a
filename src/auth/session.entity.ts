import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { User } from './user.entity.js';

/** One login: the family of the refresh tokens that follow from it. */
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

  /** Which refresh token of the family is the current one; see `refresh-tokens.ts`. */
  @Column({ type: 'integer', default: 0 })
  generation: number;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  /** When the present generation began. */
  @Column({ type: 'timestamptz', default: () => 'now()' })
  rotatedAt: Date;

  @Column({ type: 'timestamptz' })
  expiresAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  revokedAt: Date | null;
}
