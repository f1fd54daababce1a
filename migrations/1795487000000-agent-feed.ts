import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The feed of one agent, and the announcements in everybody's. Built without blocking writers, which a transaction does
 * not allow; an attempt that broke off leaves an invalid index, hence the drop first.
 */
export class AgentFeed1795487000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS task_events_agent_idx');
    await runner.query(`
      CREATE INDEX CONCURRENTLY task_events_agent_idx ON task_events ((data ->> 'agent_id'), seq)
       WHERE data ->> 'agent_id' IS NOT NULL`);
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS task_events_announcement_idx');
    await runner.query(`
      CREATE INDEX CONCURRENTLY task_events_announcement_idx ON task_events (seq)
       WHERE type = 'system.announcement'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY task_events_agent_idx');
    await runner.query('DROP INDEX CONCURRENTLY task_events_announcement_idx');
  }
}
