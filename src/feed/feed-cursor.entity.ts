import { Column, Entity, PrimaryColumn } from 'typeorm';
import { bigintColumn } from '../database/index.js';

/** How far a projection has followed the feed. */
@Entity('feed_cursors')
export class FeedCursor {
  @PrimaryColumn({ type: 'varchar', length: 40, primaryKeyConstraintName: 'feed_cursors_pkey' })
  projection: string;

  @Column({ ...bigintColumn, default: 0 })
  seq: bigint;
}
