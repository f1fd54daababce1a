import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the completed runs of an agent used. Agents from before have no history of it until their next run. */
export class UsageStatistics1795521000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE agent_statistics ADD COLUMN cpu_p80_ms double precision, ADD COLUMN memory_p80_bytes double precision`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE agent_statistics DROP COLUMN cpu_p80_ms, DROP COLUMN memory_p80_bytes');
  }
}
