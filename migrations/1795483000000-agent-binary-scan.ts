import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the virus scanner says of each version; none was scanned so far. */
export class AgentBinaryScan1795483000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE agent_binaries ADD COLUMN scan jsonb NOT NULL
        DEFAULT '{"status": "not_configured", "signature": null, "scanned_at": null}';
      ALTER TABLE agent_binaries ALTER COLUMN scan DROP DEFAULT;
      CREATE INDEX agent_binaries_unscanned_idx ON agent_binaries (id)
        WHERE scan ->> 'status' IN ('unscanned', 'not_configured');
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX agent_binaries_unscanned_idx;
      ALTER TABLE agent_binaries DROP COLUMN scan;
    `);
  }
}
