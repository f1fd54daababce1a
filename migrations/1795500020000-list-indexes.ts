import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A user's tasks of one status, and agents by capability: without these a list that finds little reads everything. Nothing
 * here blocks writers, hence no transaction around it; each step can be repeated after an attempt that broke off.
 */
export class ListIndexes1795500020000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    // An index that was not finished stays behind, invalid.
    await this.down(runner);
    await runner.query('CREATE INDEX CONCURRENTLY tasks_user_status_idx ON tasks (user_id, status, id)');
    await runner.query('CREATE INDEX CONCURRENTLY agents_capabilities_idx ON agents USING gin (capabilities)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS tasks_user_status_idx');
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS agents_capabilities_idx');
  }
}
