import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The result of a task stands in its event as text, so that nothing parses it. Older events have it in `data`. */
export class EventResults1796151000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE task_events ADD COLUMN result json');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE task_events DROP COLUMN result');
  }
}
