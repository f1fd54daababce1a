import type { DataSource, EntityManager } from 'typeorm';

/**
 * The first statement of a hot transaction that also changes other rows. It takes the feed's lock before any row lock.
 */
export const LOCK_FEED = 'lock_feed()';

/** Runs `work` in a transaction that has taken the feed's lock before any row lock. */
export const underFeedLock = <T>(database: DataSource, work: (transaction: EntityManager) => Promise<T>): Promise<T> =>
  database.transaction(async (transaction) => {
    await transaction.query(`SELECT ${LOCK_FEED}`);
    return work(transaction);
  });
