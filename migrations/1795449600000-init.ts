import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The first schema: accounts, agents and their versions, tasks, auctions, and the feed. */
export class Init1795449600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE users (
        id uuid CONSTRAINT users_pkey PRIMARY KEY,
        email varchar(254) NOT NULL,
        password_hash text NOT NULL,
        role varchar(16) NOT NULL DEFAULT 'user',
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX users_email_key ON users (email);

      CREATE TABLE agents (
        id uuid CONSTRAINT agents_pkey PRIMARY KEY,
        owner_id uuid NOT NULL CONSTRAINT agents_owner_fkey REFERENCES users (id),
        slug varchar(64) NOT NULL,
        name varchar(120) NOT NULL,
        description varchar(2000) NOT NULL DEFAULT '',
        capabilities text[] NOT NULL,
        price_micro bigint NOT NULL,
        expected_duration_ms integer,
        status varchar(16) NOT NULL DEFAULT 'active',
        active_binary_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX agents_owner_slug_key ON agents (owner_id, slug) WHERE status <> 'retired';

      CREATE TABLE agent_binaries (
        id uuid CONSTRAINT agent_binaries_pkey PRIMARY KEY,
        agent_id uuid NOT NULL CONSTRAINT agent_binaries_agent_fkey REFERENCES agents (id),
        version varchar(64) NOT NULL,
        sha256 char(64) NOT NULL,
        size integer NOT NULL,
        storage_ref varchar(200) NOT NULL,
        validation json NOT NULL,
        uploaded_by uuid NOT NULL CONSTRAINT agent_binaries_uploader_fkey REFERENCES users (id),
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE UNIQUE INDEX agent_binaries_version_key ON agent_binaries (agent_id, version);

      CREATE TABLE agent_statistics (
        agent_id uuid CONSTRAINT agent_statistics_pkey PRIMARY KEY
          CONSTRAINT agent_statistics_agent_fkey REFERENCES agents (id),
        tasks_completed integer NOT NULL DEFAULT 0,
        attempts_failed integer NOT NULL DEFAULT 0,
        duration_p80_ms double precision,
        rating_sum integer NOT NULL DEFAULT 0,
        rating_count integer NOT NULL DEFAULT 0,
        last_invited_at timestamptz
      );

      CREATE TABLE tasks (
        id uuid CONSTRAINT tasks_pkey PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT tasks_user_fkey REFERENCES users (id),
        status varchar(16) NOT NULL,
        priority varchar(16) NOT NULL,
        description varchar(2000),
        required_capabilities text[] NOT NULL,
        budget_micro bigint NOT NULL,
        input json NOT NULL,
        weights json,
        timeout_ms integer NOT NULL,
        attempt integer NOT NULL DEFAULT 0,
        agent_id uuid,
        version varchar(64),
        lease_until timestamptz,
        result json,
        error json,
        cost_micro bigint,
        rating smallint,
        created_at timestamptz NOT NULL DEFAULT now(),
        started_at timestamptz,
        completed_at timestamptz
      );
      CREATE INDEX tasks_user_idx ON tasks (user_id, id);
      CREATE INDEX tasks_unfinished_idx ON tasks (status, lease_until) WHERE status IN ('queued', 'assigned', 'running');

      CREATE TABLE task_attempts (
        task_id uuid NOT NULL CONSTRAINT task_attempts_task_fkey REFERENCES tasks (id),
        ordinal integer NOT NULL,
        agent_id uuid NOT NULL,
        version varchar(64) NOT NULL,
        price_micro bigint NOT NULL,
        outcome varchar(32),
        error json,
        metering json,
        started_at timestamptz NOT NULL,
        ended_at timestamptz,
        CONSTRAINT task_attempts_pkey PRIMARY KEY (task_id, ordinal)
      );

      CREATE TABLE auctions (
        task_id uuid CONSTRAINT auctions_pkey PRIMARY KEY CONSTRAINT auctions_task_fkey REFERENCES tasks (id),
        scoreboard json NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE task_events (
        seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT task_events_pkey PRIMARY KEY,
        task_id uuid,
        user_id uuid,
        agent_owner_id uuid,
        type varchar(40) NOT NULL,
        data json NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
      );
      CREATE INDEX task_events_task_idx ON task_events (task_id, seq) WHERE task_id IS NOT NULL;
      CREATE INDEX task_events_user_idx ON task_events (user_id, seq) WHERE user_id IS NOT NULL;

      CREATE TABLE feed_cursors (
        projection varchar(40) CONSTRAINT feed_cursors_pkey PRIMARY KEY,
        seq bigint NOT NULL DEFAULT 0
      );
    `);
    // The feed's numbers follow the order of commits: one writing transaction at a time draws them. Advisory locks are
    // per database, so installations that share a server do not meet.
    await runner.query(`
      CREATE FUNCTION lock_feed() RETURNS void LANGUAGE sql VOLATILE
        AS $$ SELECT pg_advisory_xact_lock(7305449117) $$;

      CREATE FUNCTION task_events_take_turn() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM lock_feed(); RETURN NULL; END $$;

      CREATE TRIGGER task_events_in_commit_order BEFORE INSERT ON task_events
        FOR EACH STATEMENT EXECUTE FUNCTION task_events_take_turn();
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE feed_cursors, task_events, auctions, task_attempts, tasks, agent_statistics, agent_binaries, agents, users;
      DROP FUNCTION task_events_take_turn();
      DROP FUNCTION lock_feed();
    `);
  }
}
