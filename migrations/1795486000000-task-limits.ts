import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a task allows one run, where that is less than the server does. */
export class TaskLimits1795486000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks ADD COLUMN limits json');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks DROP COLUMN limits');
  }
}
