import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The tasks that have a deadline, and those that are held back. Built beside the writers, as in `ListIndexes`. */
export class QueueIndexes1795485200000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await this.down(runner);
    await runner.query(`
      CREATE INDEX CONCURRENTLY tasks_deadline_idx ON tasks (deadline)
        WHERE deadline IS NOT NULL AND status IN ('queued', 'assigned', 'running')`);
    await runner.query(`
      CREATE INDEX CONCURRENTLY tasks_held_idx ON tasks (user_id, priority, id) WHERE held AND status = 'queued'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS tasks_deadline_idx');
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS tasks_held_idx');
  }
}
