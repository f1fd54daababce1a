import type { DataSource } from 'typeorm';
import { LOCKS } from './advisory-locks.js';

/**
 * Runs `work` unless another process runs it now. The transaction only carries the lock: `work` commits its own writes.
 * @returns the result of `work`; undefined if another process has the lock
 */
export const inOneProcess = <T>(
  database: DataSource,
  lock: keyof typeof LOCKS,
  work: () => Promise<T>,
): Promise<T | undefined> =>
  database.transaction(async (transaction) => {
    const [{ mine }]: { mine: boolean }[] = await transaction.query('SELECT pg_try_advisory_xact_lock($1) AS mine', [
      LOCKS[lock],
    ]);
    return mine ? work() : undefined;
  });
