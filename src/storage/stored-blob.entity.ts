import { Column, Entity, PrimaryColumn } from 'typeorm';

/**
 * The ledger of stored bytes: a row is there before the bytes are, and until they are gone. What nothing refers to is
 * found here, also when the process that stored it died. Written by `BlobLedger` alone.
 */
@Entity('blobs')
export class StoredBlob {
  /** As the blob store calls it. */
  @PrimaryColumn({ type: 'varchar', length: 200, primaryKeyConstraintName: 'blobs_pkey' })
  ref: string;

  /** When an upload last had these bytes stored. */
  @Column({ type: 'timestamptz', default: () => 'now()' })
  storedAt: Date;
}
