import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the queue knows of a waiting task: whether it has been let in, how far it has risen, what it was forgiven. */
export class FairQueue1795485100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE tasks
        ADD COLUMN forgiven_attempts integer NOT NULL DEFAULT 0,
        ADD COLUMN held boolean NOT NULL DEFAULT false,
        ADD COLUMN aged smallint NOT NULL DEFAULT 0;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks DROP COLUMN forgiven_attempts, DROP COLUMN held, DROP COLUMN aged');
  }
}
