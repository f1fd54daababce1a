import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { EventLog } from './event-log.js';
import type { FeedEvent } from './feed-event.js';

const BATCH = 1000;

/**
 * Derives a table from the feed, exactly once: the cursor moves in the transaction that writes the derived rows. Any
 * number of processes may try. The one that locks the cursor's row works; the others return.
 */
@Injectable()
export class Projector {
  constructor(
    private readonly database: DataSource,
    private readonly log: EventLog,
  ) {}

  /**
   * Applies the next events of the feed to `projection`.
   * @returns whether there may be more to do
   */
  advance(
    projection: string,
    apply: (transaction: EntityManager, events: FeedEvent[]) => Promise<void>,
  ): Promise<boolean> {
    return this.database.transaction(async (transaction) => {
      await transaction.query(`INSERT INTO feed_cursors (projection) VALUES ($1) ON CONFLICT DO NOTHING`, [projection]);
      const [cursor]: { seq: string }[] = await transaction.query(
        `SELECT seq FROM feed_cursors WHERE projection = $1 FOR UPDATE SKIP LOCKED`,
        [projection],
      );
      if (!cursor) return false;
      const events = await this.log.readAfter(Number(cursor.seq), BATCH);
      if (events.length === 0) return false;
      await apply(transaction, events);
      await transaction.query(`UPDATE feed_cursors SET seq = $2 WHERE projection = $1`, [
        projection,
        events[events.length - 1].seq,
      ]);
      return events.length === BATCH;
    });
  }
}
