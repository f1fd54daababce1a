import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What an agent asks by size and load, how much it takes on at once, and where it and its tasks belong. The index is built
 * without a lock, hence no transaction; each step can be repeated after an attempt that broke off.
 */
export class PricePolicy1795532000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE agents ADD COLUMN IF NOT EXISTS price_per_kb_micro bigint NOT NULL DEFAULT 0,
                         ADD COLUMN IF NOT EXISTS surge double precision NOT NULL DEFAULT 1,
                         ADD COLUMN IF NOT EXISTS max_concurrency integer,
                         ADD COLUMN IF NOT EXISTS region varchar(32)`);
    await runner.query(`
      ALTER TABLE tasks ADD COLUMN IF NOT EXISTS region varchar(32),
                        ADD COLUMN IF NOT EXISTS region_required boolean NOT NULL DEFAULT false`);
    await runner.query('ALTER TABLE agent_statistics ADD COLUMN IF NOT EXISTS estimate_ratio double precision');
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS tasks_at_work_idx');
    await runner.query(`
      CREATE INDEX CONCURRENTLY tasks_at_work_idx ON tasks (agent_id) WHERE status IN ('assigned', 'running')`);
    // Volatile, so that it sees what was committed while its caller waited for the feed's lock.
    await runner.query(`
      CREATE OR REPLACE FUNCTION tasks_at_work(agent uuid, besides uuid) RETURNS bigint LANGUAGE sql VOLATILE
        AS $$ SELECT count(*) FROM tasks
               WHERE agent_id = agent AND status IN ('assigned', 'running') AND id <> besides $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION tasks_at_work(uuid, uuid)');
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS tasks_at_work_idx');
    await runner.query('ALTER TABLE agent_statistics DROP estimate_ratio');
    await runner.query('ALTER TABLE tasks DROP region, DROP region_required');
    await runner.query('ALTER TABLE agents DROP price_per_kb_micro, DROP surge, DROP max_concurrency, DROP region');
  }
}
