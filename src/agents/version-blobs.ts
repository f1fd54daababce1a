import { Inject, Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { BLOB_STORE, type BlobRef, type BlobStore, type StagedBlob } from '../storage/index.js';

/**
 * The bytes of versions: stored before a version refers to them, removed once none does.
 *
 * A database and a blob store cannot commit together, so the ledger (`blobs`) brackets the store:
 *
 *     keep:    row ──▶ bytes ──▶ (the version's transaction, whose foreign key needs the row)
 *     collect: lock the row, see that nobody refers to it ──▶ remove the bytes ──▶ remove the row, commit
 *
 * So every stored byte has a row, wherever a process dies. An upload of the same bytes on another node waits for the
 * row's lock and then stores them anew; one that stalled past the grace period is refused by the foreign key.
 */
@Injectable()
export class VersionBlobs {
  private readonly logger = new Logger('Blobs');

  constructor(
    private readonly database: DataSource,
    @Inject(BLOB_STORE) private readonly store: BlobStore,
  ) {}

  /** Stores staged bytes durably. They stay for the grace period, and as long as a version refers to them. */
  async keep(staged: StagedBlob): Promise<BlobRef> {
    const ref = await this.store.refOf(staged);
    await this.database.query(RECORD, [ref]);
    return this.store.put(staged);
  }

  /**
   * Removes what no version in service refers to, and no unfinished task was awarded. Safe to run on several nodes at once.
   * @param graceMs how long bytes stay after their upload, and after their last version was retired: longer than
   *   uploads and tasks take
   * @returns references of what was removed; what could not be removed is logged and tried again next time
   */
  async collect(graceMs: number): Promise<BlobRef[]> {
    const unused: { ref: BlobRef }[] = await this.database.query(UNUSED, [graceMs, null]);
    const removed: BlobRef[] = [];
    for (const { ref } of unused) {
      try {
        if (await this.remove(ref, graceMs)) removed.push(ref);
      } catch (error) {
        this.logger.warn(`${ref} could not be removed: ${(error as Error).message}`);
      }
    }
    return removed;
  }

  /** @returns false when it is in use again, or another node removes it */
  private remove(ref: BlobRef, graceMs: number): Promise<boolean> {
    return this.database.transaction(async (transaction) => {
      const locked: unknown[] = await transaction.query(LOCK, [ref]);
      // Asked again under the lock, with a fresh look at what was committed before it was ours.
      const unused: unknown[] = locked.length > 0 ? await transaction.query(UNUSED, [graceMs, ref]) : [];
      if (unused.length === 0) return false;
      await transaction.query(FORGET, [ref]);
      await transaction.query('DELETE FROM blobs WHERE ref = $1', [ref]);
      await this.store.delete(ref);
      return true;
    });
  }
}

const RECORD = `
  INSERT INTO blobs (ref) VALUES ($1)
  ON CONFLICT (ref) DO UPDATE SET stored_at = now()`;

const LOCK = 'SELECT FROM blobs WHERE ref = $1 FOR UPDATE SKIP LOCKED';

/** Of one reference, or of all. A version out of service keeps its bytes while a task may still be running it. */
const UNUSED = `
  SELECT ref
    FROM blobs
   WHERE ($2::varchar IS NULL OR ref = $2)
     AND stored_at < now() - $1 * interval '1 millisecond'
     AND NOT EXISTS (
       SELECT
         FROM agent_binaries b
         JOIN agents a ON a.id = b.agent_id
        WHERE b.storage_ref = blobs.ref
          AND ((b.retired_at IS NULL AND a.status <> 'retired')
               -- A worker may hold the ranking of an auction that was before.
               OR coalesce(b.retired_at, a.updated_at) > now() - $1 * interval '1 millisecond'
               OR EXISTS (SELECT FROM tasks t
                           WHERE t.status IN ('queued', 'assigned', 'running')
                             AND t.agent_id = b.agent_id AND t.version = b.version)))`;

const FORGET = `
  UPDATE agent_binaries SET storage_ref = NULL, retired_at = coalesce(retired_at, now()) WHERE storage_ref = $1`;
