import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { User } from './user.entity.js';

/** What a one-time token is for; a token for one purpose is refused for another. */
export type OneTimePurpose = 'queue_dashboard' | 'password_reset';

/** A token that works once. Its row is deleted when it is used. */
@Entity('one_time_tokens')
@Index('one_time_tokens_user_idx', ['userId', 'purpose'])
@Index('one_time_tokens_expires_idx', ['expiresAt'])
export class OneTimeToken {
  /** SHA-256 of the token, hexadecimal. */
  @PrimaryColumn({ type: 'char', length: 64, primaryKeyConstraintName: 'one_time_tokens_pkey' })
  hash: string;

  @Column({ type: 'varchar', length: 32 })
  purpose: OneTimePurpose;

  /** The user it is for. */
  @ForeignKey(() => User, { name: 'one_time_tokens_user_fkey', onDelete: 'CASCADE' })
  @Column('uuid')
  userId: string;

  @Column({ type: 'timestamptz' })
  expiresAt: Date;
}
