import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Secrets that owners keep for their agents, encrypted. They go with the agent. */
export class Secrets1796500000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE agent_secrets (
        agent_id uuid NOT NULL CONSTRAINT agent_secrets_agent_fkey REFERENCES agents (id) ON DELETE CASCADE,
        name varchar(64) NOT NULL,
        host varchar(253) NOT NULL,
        -- Which key of the configuration it is encrypted with.
        key_id varchar(16) NOT NULL,
        -- Nonce, tag and text of AES-256-GCM.
        sealed bytea NOT NULL,
        set_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT agent_secrets_pkey PRIMARY KEY (agent_id, name)
      );
      CREATE INDEX agent_secrets_key_idx ON agent_secrets (key_id);

      CREATE FUNCTION agent_secrets_forget() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN DELETE FROM agent_secrets WHERE agent_id = NEW.id; RETURN NULL; END $$;
      CREATE TRIGGER agents_secrets AFTER UPDATE OF status ON agents
        FOR EACH ROW WHEN (NEW.status = 'retired') EXECUTE FUNCTION agent_secrets_forget();
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER agents_secrets ON agents;
      DROP FUNCTION agent_secrets_forget();
      DROP TABLE agent_secrets;
    `);
  }
}
