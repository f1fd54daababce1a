import { Column, Entity, PrimaryColumn } from 'typeorm';

/**
 * The ledger of stored bytes. A row exists from before its bytes are stored until after they are removed. Bytes without
 * a reference are found here, even if the process that stored them died. Only `BlobLedger` writes it.
 */
@Entity('blobs')
export class StoredBlob {
  /** Reference in the blob store. */
  @PrimaryColumn({ type: 'varchar', length: 200, primaryKeyConstraintName: 'blobs_pkey' })
  ref: string;

  /** When an upload last stored these bytes. */
  @Column({ type: 'timestamptz', default: () => 'now()' })
  storedAt: Date;
}
