import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The bytes that a task's rows count for its submitter's quota. Tasks from before count nothing. The index is built beside the
 * writers of a large table, hence without a transaction; each step can be repeated.
 */
export class RowBytes1796152000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks ADD COLUMN IF NOT EXISTS row_bytes integer NOT NULL DEFAULT 0');
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS tasks_user_bytes_idx');
    await runner.query('CREATE INDEX CONCURRENTLY tasks_user_bytes_idx ON tasks (user_id, row_bytes)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS tasks_user_bytes_idx');
    await runner.query('ALTER TABLE tasks DROP COLUMN IF EXISTS row_bytes');
  }
}
