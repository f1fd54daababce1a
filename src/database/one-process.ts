import type { DataSource } from 'typeorm';

/**
 * Does what one process at a time does. An advisory lock says whether another is at it; the transaction only holds that lock,
 * and what `work` writes commits by itself.
 * @param lock a number that stands for this work
 * @returns what `work` does; undefined where another process is at it
 */
export const inOneProcess = <T>(database: DataSource, lock: number, work: () => Promise<T>): Promise<T | undefined> =>
  database.transaction(async (transaction) => {
    const [{ mine }]: { mine: boolean }[] = await transaction.query('SELECT pg_try_advisory_xact_lock($1) AS mine', [
      lock,
    ]);
    return mine ? work() : undefined;
  });
