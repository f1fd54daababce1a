import type { QueryRunner } from 'typeorm';

/**
 * Builds an index of tasks while tasks are written, outside of a transaction. Safe to repeat: an earlier try that broke off
 * may have left an index that is not valid.
 * @param rows the columns, and which rows: SQL
 */
export async function buildIndex(runner: QueryRunner, name: string, rows: string, kind = 'INDEX'): Promise<void> {
  await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
  await runner.query(`CREATE ${kind} CONCURRENTLY ${name} ON tasks ${rows}`);
}
