import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { User } from '../auth/index.js';
import { StoredBlob } from '../storage/index.js';

/**
 * A JSON document that is too large for the row of a task: its input or its result. Named by its hash, and its owner's alone:
 * who brings the same bytes has a document of its own of them. Written by `TaskDocuments` alone.
 */
@Entity('task_documents')
@Index('task_documents_blob_idx', ['storageRef'])
@Index('task_documents_expires_idx', ['expiresAt'])
export class TaskDocument {
  @ForeignKey(() => User, { name: 'task_documents_user_fkey' })
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'task_documents_pkey' })
  userId: string;

  /** Lower-case hex. */
  @PrimaryColumn({ type: 'char', length: 64, primaryKeyConstraintName: 'task_documents_pkey' })
  sha256: string;

  /** Bytes. */
  @Column('integer')
  size: number;

  /** Where the blob store keeps it. */
  @ForeignKey(() => StoredBlob, { name: 'task_documents_blob_fkey' })
  @Column({ type: 'varchar', length: 200 })
  storageRef: string;

  /** Until when it can be named by new tasks; it is kept for as long, and as long as a task refers to it. */
  @Column({ type: 'timestamptz' })
  expiresAt: Date;
}
