import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who holds a task, so that it is not taken from a worker that is alive. */
export class WorkerOfATask1795541000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks ADD COLUMN worker integer');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks DROP COLUMN worker');
  }
}
