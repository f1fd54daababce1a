import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { User } from '../auth/index.js';

/** A submission that may be repeated: what it was, and which tasks it became. Written together with them. */
@Entity('idempotency_keys')
@Index('idempotency_keys_created_idx', ['createdAt'])
export class IdempotencyKey {
  @ForeignKey(() => User, { name: 'idempotency_keys_user_fkey' })
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'idempotency_keys_pkey' })
  userId: string;

  /** As the client chose it. */
  @PrimaryColumn({ type: 'varchar', length: 255, primaryKeyConstraintName: 'idempotency_keys_pkey' })
  key: string;

  /** SHA-256 of the request, hexadecimal. */
  @Column({ type: 'char', length: 64 })
  fingerprint: string;

  /** In the order of the submission. */
  @Column({ type: 'uuid', array: true })
  taskIds: string[];

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;
}
