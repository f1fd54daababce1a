import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import type { Scope } from '../common/access.js';
import { User } from './user.entity.js';

@Entity('api_keys')
@Index('api_keys_user_idx', ['userId', 'id'])
@Index('api_keys_revoked_idx', ['revokedAt'], { where: 'revoked_at IS NOT NULL' })
export class ApiKey {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'api_keys_pkey' })
  id: string;

  @ForeignKey(() => User, { name: 'api_keys_user_fkey', onDelete: 'CASCADE' })
  @Column('uuid')
  userId: string;

  @Column({ type: 'varchar', length: 100 })
  name: string;

  /** The key's first characters, by which its owner recognises it. */
  @Column({ type: 'varchar', length: 16 })
  prefix: string;

  /** SHA-256 of the whole key, hexadecimal: its 256 random bits leave nothing to guess, so no slow hash is needed. */
  @Index('api_keys_hash_key', { unique: true })
  @Column({ type: 'char', length: 64 })
  hash: string;

  @Column({ type: 'text', array: true })
  scopes: Scope[];

  /** The key it was made with, and is revoked with; null for one made by a login. That one may have been deleted since. */
  @Column({ type: 'uuid', nullable: true })
  madeWithId: string | null;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  expiresAt: Date | null;

  /** Accurate to the minute. */
  @Column({ type: 'timestamptz', nullable: true })
  lastUsedAt: Date | null;

  @Column({ type: 'timestamptz', nullable: true })
  revokedAt: Date | null;
}
