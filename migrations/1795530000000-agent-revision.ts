import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * When a row of `agents` or `agent_statistics` changed last, as the transaction that did it: what catalogues read by, and what
 * an award is checked against. The constant default spares a rewrite of the tables; rows from before count as old.
 */
export class AgentRevision1795530000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION stamp_revision() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN NEW.revision = pg_current_xact_id()::text::bigint; RETURN NEW; END $$;
    `);
    for (const table of TABLES) {
      await runner.query(`
        ALTER TABLE ${table} ADD revision bigint NOT NULL DEFAULT 0;
        CREATE INDEX ${table}_revision_idx ON ${table} (revision);
        CREATE TRIGGER ${table}_revision BEFORE INSERT OR UPDATE ON ${table}
          FOR EACH ROW EXECUTE FUNCTION stamp_revision();
      `);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) {
      await runner.query(`DROP TRIGGER ${table}_revision ON ${table}; ALTER TABLE ${table} DROP revision`);
    }
    await runner.query('DROP FUNCTION stamp_revision()');
  }
}

const TABLES = ['agents', 'agent_statistics'];
