import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A task that is retried waits from then on, not from its submission. */
export class RetriedTasks1795560000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks ADD COLUMN retried_at timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks DROP COLUMN retried_at');
  }
}
