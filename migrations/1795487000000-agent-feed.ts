import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Events filled in by one statement, so that none holds locks for long. */
const BATCH = 5000;

/**
 * The feed of one agent, and the announcements in everybody's. Nothing here blocks writers for long, hence no
 * transaction around it; each step can be repeated after an attempt that broke off.
 */
export class AgentFeed1795487000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE task_events ADD COLUMN IF NOT EXISTS agent_id uuid');
    await this.fill(runner);
    // An index that was not finished stays behind, invalid.
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS task_events_agent_idx');
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS task_events_announcement_idx');
    await runner.query(`
      CREATE INDEX CONCURRENTLY task_events_agent_idx ON task_events (agent_id, seq) WHERE agent_id IS NOT NULL`);
    await runner.query(`
      CREATE INDEX CONCURRENTLY task_events_announcement_idx ON task_events (seq) WHERE type = 'system.announcement'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS task_events_agent_idx');
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS task_events_announcement_idx');
    await runner.query('ALTER TABLE task_events DROP COLUMN agent_id');
  }

  /** Read from the text, since `data` may hold escapes that PostgreSQL's JSON operators refuse. */
  private async fill(runner: QueryRunner): Promise<void> {
    const [{ last }] = await runner.query('SELECT coalesce(max(seq), 0)::bigint AS last FROM task_events');
    for (let from = 0; from < Number(last); from += BATCH) {
      await runner.query(
        `UPDATE task_events
            SET agent_id = substring(data::text FROM '"agent_id" ?: ?"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')::uuid
          WHERE seq > $1 AND seq <= $2 AND agent_id IS NULL`,
        [from, from + BATCH],
      );
    }
  }
}
