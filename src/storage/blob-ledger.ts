import { Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AppError } from '../common/app-error.js';
import { QuotaConfig } from '../config/index.js';
import type { BlobRef, BlobStore } from './blob-store.js';
import { BlobStores } from './blob-stores.js';
import type { StagedBlob } from './staging.js';

/**
 * A module whose rows refer to stored bytes by foreign key. It describes them in SQL, because the ledger knows no other
 * module's tables.
 */
export interface BlobHolder {
  /** Condition: a row of `blobs` is needed. `$1` is the grace period, ms. */
  needs: string;
  /** Expression: how many bytes of the user `$1` are kept. */
  bytesOf: string;
  /**
   * Statement that drops `$1`, a reference that is no longer needed. Unset if rows that are no longer needed hold no
   * reference.
   */
  letGo?: string;
}

interface Arriving {
  bodies: number;
  /** Set aside for those that fit into the quota. */
  bytes: number;
  /** Whether one of them does not fit. */
  beyond: boolean;
}

/** Bytes. */
export interface StoredBytes {
  /** By the user, in blobs and in rows. */
  kept: number;
  quota: number;
}

/**
 * Stored bytes and their users. Bytes are stored before a row refers to them, and removed once no row does.
 *
 * A database and a blob store cannot commit together, so the ledger (`blobs`) brackets the store:
 *
 *     keep:    row ──▶ bytes ──▶ (the holder's transaction, whose foreign key needs the row)
 *     collect: lock the row, check that it is unused ──▶ remove the bytes ──▶ remove the row, commit
 *
 * So each stored byte has a row, even if a process dies at any point. An upload of identical bytes on another node
 * waits for the row's lock and then stores them again. The foreign key refuses an upload that stalled past the grace
 * period.
 */
@Injectable()
export class BlobLedger {
  private readonly logger = new Logger('Blobs');
  private readonly holders: BlobHolder[] = [];
  /** Bodies that are arriving at this process, by user. */
  private readonly arriving = new Map<string, Arriving>();
  /** What one user may have stored, bytes. */
  private readonly quota: number;
  private quotaOf = async (_userId: string, quota: number): Promise<number> => quota;

  constructor(
    private readonly database: DataSource,
    private readonly stores: BlobStores,
    { storedBytes }: QuotaConfig,
  ) {
    this.quota = storedBytes;
  }

  /** Registers a module whose table refers to `blobs`. Call it once, before the first collection. */
  register(holder: BlobHolder): void {
    this.holders.push(holder);
  }

  /** Lets a module that knows accounts decide how much of the quota a user has. */
  scaleQuota(quotaOf: (userId: string, quota: number) => Promise<number>): void {
    this.quotaOf = quotaOf;
  }

  /** Stores staged bytes durably. They stay for the grace period, and for as long as they are needed. */
  keep(staged: StagedBlob): Promise<BlobRef> {
    return this.keepIn(this.stores, staged);
  }

  /** Stores bytes that only their owner may read. They never go to a public store. */
  keepConfidential(staged: StagedBlob): Promise<BlobRef> {
    return this.keepIn(this.stores.confidential, staged);
  }

  /**
   * Checks that a user has room for `size` more bytes. It is exact only in a transaction that adds bytes of one user at
   * a time (see `holdAccount`). Outside one it is an early check, before bytes are stored: bytes that are refused later
   * stay for the grace period.
   * @throws AppError `forbidden` `QUOTA_EXCEEDED`
   */
  async expectRoom(userId: string, size: number, transaction: EntityManager = this.database.manager): Promise<void> {
    const stored = await this.storedBy(userId, transaction);
    if (stored.kept + size > stored.quota) throw this.exceeded(stored);
  }

  /**
   * Sets a part of a user's quota aside for a body before it is read. So the bodies of one user that arrive at the same time
   * cannot fill the disk beyond the quota. `expectRoom` decides once the bytes are there.
   *
   * One body at a time may be larger than what is left of the quota: the user may have its bytes already, and then they need no
   * room.
   * @param size most bytes that the body can have
   * @returns ends the reservation
   * @throws AppError `forbidden` `QUOTA_EXCEEDED`
   */
  async reserve(userId: string, size: number): Promise<() => void> {
    const stored = await this.storedBy(userId);
    // Nothing is awaited from here on: other bodies of the user ask at the same time.
    const arriving = this.arriving.get(userId) ?? { bodies: 0, bytes: 0, beyond: false };
    const fits = stored.kept + arriving.bytes + size <= stored.quota;
    if (!fits && arriving.beyond) throw this.exceeded(stored);
    this.arriving.set(userId, arriving);
    arriving.bodies += 1;
    if (fits) arriving.bytes += size;
    else arriving.beyond = true;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      arriving.bodies -= 1;
      if (fits) arriving.bytes -= size;
      else arriving.beyond = false;
      if (arriving.bodies === 0) this.arriving.delete(userId);
    };
  }

  /** What a user has stored, and may. */
  async storedBy(userId: string, transaction: EntityManager = this.database.manager): Promise<StoredBytes> {
    const sum = this.holders.map(({ bytesOf }) => `(${bytesOf})`).join(' + ');
    const [{ kept }] = await transaction.query<{ kept: string }[]>(`SELECT (${sum})::text AS kept`, [userId]);
    return { kept: Number(kept), quota: await this.quotaOf(userId, this.quota) };
  }

  /** The refusal of what does not fit. */
  exceeded({ kept, quota }: StoredBytes): AppError {
    const account = quota < this.quota ? 'A new account' : 'An account';
    const message =
      `${account} stores at most ${quota} bytes (versions of agents, tasks with their logs, documents of tasks), and yours has ${kept}: ` +
      'retire versions, or wait until old tasks and documents are deleted.';
    return new AppError('forbidden', 'QUOTA_EXCEEDED', message);
  }

  /**
   * Removes bytes that are no longer needed. Safe to run on several nodes at once.
   * @param graceMs how long bytes stay after they were stored or last needed; must exceed the time of uploads and tasks
   * @returns references of the removed bytes; a failed removal is logged and tried again next time
   */
  async collect(graceMs: number): Promise<BlobRef[]> {
    const unused: { ref: BlobRef }[] = await this.database.query(this.unused(), [graceMs, null]);
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

  private async keepIn(store: BlobStore, staged: StagedBlob): Promise<BlobRef> {
    const ref = await store.refOf(staged);
    await this.database.query(RECORD, [ref]);
    return store.put(staged);
  }

  /** @returns false if the bytes are in use again, or another node removes them */
  private remove(ref: BlobRef, graceMs: number): Promise<boolean> {
    return this.database.transaction(async (transaction) => {
      const locked: unknown[] = await transaction.query(LOCK, [ref]);
      // Checks again under the lock, because another transaction may have committed before the lock was granted.
      const unused: unknown[] = locked.length > 0 ? await transaction.query(this.unused(), [graceMs, ref]) : [];
      if (unused.length === 0) return false;
      for (const { letGo } of this.holders) if (letGo) await transaction.query(letGo, [ref]);
      await transaction.query('DELETE FROM blobs WHERE ref = $1', [ref]);
      await this.stores.delete(ref);
      return true;
    });
  }

  /** Condition for one reference (`$2`), or for all. */
  private unused(): string {
    const conditions = this.holders.map(({ needs }) => `AND NOT (${needs})`).join('\n');
    return `
      SELECT ref
        FROM blobs
       WHERE ($2::varchar IS NULL OR ref = $2)
         AND stored_at < now() - $1 * interval '1 millisecond'
         ${conditions}`;
  }
}

const RECORD = `
  INSERT INTO blobs (ref) VALUES ($1)
  ON CONFLICT (ref) DO UPDATE SET stored_at = now()`;

const LOCK = 'SELECT FROM blobs WHERE ref = $1 FOR UPDATE SKIP LOCKED';

/**
 * The drivers that hold stored bytes, whatever is configured now. Empty before the first migration.
 * @param ask runs a statement @throws what `ask` throws
 */
export async function driversInUse(ask: (statement: string) => Promise<{ driver: string }[]>): Promise<string[]> {
  const rows = await ask(IN_USE).catch((error: Error & { code?: string }) => {
    if (error.code === UNDEFINED_TABLE) return [];
    throw error;
  });
  return rows.map(({ driver }) => driver);
}

const IN_USE = `SELECT DISTINCT split_part(ref, ':', 1) AS driver FROM blobs`;
const UNDEFINED_TABLE = '42P01';
