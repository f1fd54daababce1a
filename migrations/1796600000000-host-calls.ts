import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Host calls: permissions of versions, what tasks allow and pay for, the record of calls, and the state of agents. */
export class HostCalls1796600000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE agent_binaries ADD COLUMN permissions json;

      ALTER TABLE tasks
        ADD COLUMN allow text[] NOT NULL DEFAULT '{}',
        ADD COLUMN max_host_cost_micro bigint NOT NULL DEFAULT 0,
        -- Spent and reserved by calls since the hold was opened.
        ADD COLUMN host_cost_micro bigint NOT NULL DEFAULT 0;

      CREATE TABLE host_calls (
        task_id uuid NOT NULL,
        attempt integer NOT NULL,
        -- Number of the call in its attempt, from 0.
        n integer NOT NULL,
        agent_id uuid NOT NULL,
        method varchar(32) NOT NULL,
        -- The host or the model.
        target varchar(253),
        -- NULL while the call is carried out; OK, or the code of its error.
        outcome varchar(64),
        cost_micro bigint NOT NULL DEFAULT 0,
        request_bytes integer NOT NULL,
        answer_bytes integer,
        duration_ms double precision,
        at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT host_calls_pkey PRIMARY KEY (task_id, attempt, n)
      );

      CREATE TABLE agent_state (
        agent_id uuid NOT NULL CONSTRAINT agent_state_agent_fkey REFERENCES agents (id) ON DELETE CASCADE,
        key varchar(512) COLLATE "C" NOT NULL,
        value json NOT NULL,
        bytes integer NOT NULL,
        revision bigint NOT NULL,
        expires_at timestamptz,
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT agent_state_pkey PRIMARY KEY (agent_id, key)
      );
      CREATE INDEX agent_state_expiry_idx ON agent_state (expires_at) WHERE expires_at IS NOT NULL;
      -- What an agent's entries take together: the row is the lock under which its quota is checked.
      CREATE TABLE agent_state_usage (
        agent_id uuid CONSTRAINT agent_state_usage_pkey PRIMARY KEY
          CONSTRAINT agent_state_usage_agent_fkey REFERENCES agents (id) ON DELETE CASCADE,
        entries integer NOT NULL DEFAULT 0,
        bytes bigint NOT NULL DEFAULT 0,
        -- The revision that the last change got.
        revision bigint NOT NULL DEFAULT 0
      );
    `);
    // Functions, because each of their statements sees what was committed while they waited for the usage row.
    await runner.query(`
      -- Deletes what has expired of an agent's state. Its caller has locked the usage row, or this locks it.
      CREATE FUNCTION agent_state_expire(agent uuid) RETURNS integer LANGUAGE plpgsql AS $$
      DECLARE gone record;
      BEGIN
        PERFORM FROM agent_state_usage WHERE agent_id = agent FOR UPDATE;
        WITH expired AS (
          DELETE FROM agent_state WHERE agent_id = agent AND expires_at <= clock_timestamp() RETURNING bytes
        )
        SELECT count(*)::int AS entries, coalesce(sum(bytes), 0) AS bytes INTO gone FROM expired;
        UPDATE agent_state_usage SET entries = entries - gone.entries, bytes = bytes - gone.bytes
         WHERE agent_id = agent AND gone.entries > 0;
        RETURN gone.entries;
      END $$;

      -- Writes one entry. outcome: 'written', 'conflict' (expected is not the revision), or 'full'.
      CREATE FUNCTION agent_state_put(agent uuid, k text, v text, expected bigint, ttl_ms float8,
                                      max_entries integer, max_bytes bigint,
                                      OUT outcome text, OUT current bigint) LANGUAGE plpgsql AS $$
      DECLARE
        usage agent_state_usage;
        old agent_state;
        size integer := octet_length(k) + octet_length(v);
      BEGIN
        INSERT INTO agent_state_usage (agent_id) VALUES (agent) ON CONFLICT DO NOTHING;
        SELECT * INTO usage FROM agent_state_usage WHERE agent_id = agent FOR UPDATE;
        SELECT * INTO old FROM agent_state WHERE agent_id = agent AND key = k;
        current := CASE WHEN old.expires_at <= clock_timestamp() THEN 0 ELSE coalesce(old.revision, 0) END;
        IF expected <> current THEN
          outcome := 'conflict';
          RETURN;
        END IF;
        IF usage.entries + (old.key IS NULL)::int > max_entries OR usage.bytes - coalesce(old.bytes, 0) + size > max_bytes THEN
          IF agent_state_expire(agent) > 0 THEN
            SELECT * INTO usage FROM agent_state_usage WHERE agent_id = agent;
            SELECT * INTO old FROM agent_state WHERE agent_id = agent AND key = k;
          END IF;
          IF usage.entries + (old.key IS NULL)::int > max_entries OR usage.bytes - coalesce(old.bytes, 0) + size > max_bytes THEN
            outcome := 'full';
            RETURN;
          END IF;
        END IF;
        UPDATE agent_state_usage
           SET entries = entries + (old.key IS NULL)::int, bytes = bytes - coalesce(old.bytes, 0) + size,
               revision = revision + 1
         WHERE agent_id = agent
        RETURNING revision INTO current;
        INSERT INTO agent_state AS state (agent_id, key, value, bytes, revision, expires_at)
        VALUES (agent, k, v::json, size, current, clock_timestamp() + ttl_ms * interval '1 millisecond')
        ON CONFLICT (agent_id, key) DO UPDATE
          SET value = excluded.value, bytes = excluded.bytes, revision = excluded.revision,
              expires_at = excluded.expires_at, updated_at = now();
        outcome := 'written';
      END $$;

      CREATE FUNCTION agent_state_delete(agent uuid, k text) RETURNS boolean LANGUAGE plpgsql AS $$
      DECLARE gone integer;
      BEGIN
        PERFORM FROM agent_state_usage WHERE agent_id = agent FOR UPDATE;
        DELETE FROM agent_state WHERE agent_id = agent AND key = k RETURNING bytes INTO gone;
        UPDATE agent_state_usage SET entries = entries - 1, bytes = bytes - gone WHERE agent_id = agent AND gone IS NOT NULL;
        RETURN gone IS NOT NULL;
      END $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION agent_state_delete(uuid, text), agent_state_expire(uuid),
        agent_state_put(uuid, text, text, bigint, float8, integer, bigint);
      DROP TABLE agent_state_usage, agent_state, host_calls;
      ALTER TABLE tasks DROP COLUMN allow, DROP COLUMN max_host_cost_micro, DROP COLUMN host_cost_micro;
      ALTER TABLE agent_binaries DROP COLUMN permissions;
    `);
  }
}
