import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A submitter decides whether owners of agents read logs of its task. Owners find the events of their agents' work for others.
 * The index is built beside the writers of a large table, hence without a transaction; each step can be repeated.
 */
export class SharedLogs1796150000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks ADD COLUMN IF NOT EXISTS share_logs boolean NOT NULL DEFAULT false');
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS task_events_owner_idx');
    await runner.query(`
      CREATE INDEX CONCURRENTLY task_events_owner_idx
          ON task_events (agent_owner_id, seq) WHERE agent_owner_id <> user_id`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS task_events_owner_idx');
    await runner.query('ALTER TABLE tasks DROP COLUMN IF EXISTS share_logs');
  }
}
