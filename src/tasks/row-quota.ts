import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { BlobLedger, type StoredBytes } from '../storage/index.js';
import type { NewTask } from './new-task.js';

/**
 * What a task's own row, attempts, auctions and events take beside its documents and log lines, bytes. The benchmark measures
 * 4.38 KB a task, see `docs/deployment.md`.
 */
const TASK_BYTES = 4 * 1024;
/** An older sum is renewed, ms. */
const STALE_MS = 10_000;
/** A refusal rests on a sum no older than this, ms. */
const FRESH_FOR_REFUSAL_MS = 100;
const MOST_KNOWN = 10_000;

/** Bytes that a new task counts for its submitter's quota. */
export const bytesOfTask = ({ inputText, description }: NewTask): number =>
  TASK_BYTES + Buffer.byteLength(inputText ?? '') + Buffer.byteLength(description ?? '');

/** Bytes that a result counts which is part of its row: its event carries it too. */
export const bytesOfResult = (text: string): number => 2 * Buffer.byteLength(text);

/**
 * Counts rows of tasks for the quota of stored bytes. The sum of a user is read at most every 10 s, and a submission adds its own
 * bytes to it. So a submission costs no statement, and several processes may together exceed the quota by what each let in since.
 * What was let in may end: a result or a log line in a row is never refused.
 */
@Injectable()
export class RowQuota {
  private readonly known = new LRUCache<string, Known>({ max: MOST_KNOWN });

  constructor(private readonly ledger: BlobLedger) {
    ledger.register({
      needs: 'false',
      bytesOf: 'SELECT coalesce(sum(row_bytes), 0) FROM tasks WHERE user_id = $1',
    });
  }

  /** @throws AppError `forbidden` `QUOTA_EXCEEDED` */
  async admit(userId: string, tasks: readonly NewTask[]): Promise<void> {
    const bytes = tasks.reduce((sum, task) => sum + bytesOfTask(task), 0);
    let known = await this.sumOf(userId, STALE_MS);
    if (!fits(known, bytes)) known = await this.sumOf(userId, FRESH_FOR_REFUSAL_MS);
    if (!fits(known, bytes)) throw this.ledger.exceeded(known.stored);
    known.since += bytes;
  }

  private async sumOf(userId: string, maxAgeMs: number): Promise<Known> {
    const earlier = this.known.get(userId);
    const at = performance.now();
    if (earlier && at - earlier.at <= maxAgeMs) return earlier;
    const before = earlier?.since ?? 0;
    const stored = await this.ledger.storedBy(userId);
    // What was let in while the sum was read may not be part of it.
    const known = { stored, at, since: (earlier?.since ?? 0) - before };
    this.known.set(userId, known);
    return known;
  }
}

interface Known {
  stored: StoredBytes;
  /** When it was read, on the clock of `performance.now()`. */
  at: number;
  /** Bytes let in since. */
  since: number;
}

const fits = ({ stored: { kept, quota }, since }: Known, bytes: number): boolean => kept + since + bytes <= quota;
