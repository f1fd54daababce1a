import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The schema of release 0.1.0. A released migration is never edited: a later change is a migration of its own. */
export class Initial1796200000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE users (
        id uuid CONSTRAINT users_pkey PRIMARY KEY,
        email varchar(254) NOT NULL,
        password_hash text NOT NULL,
        role varchar(16) NOT NULL DEFAULT 'user',
        created_at timestamptz NOT NULL DEFAULT now(),
        suspended_at timestamptz,
        access_changed_at timestamptz,
        suspension_reason varchar(500),
        self_registered boolean NOT NULL DEFAULT false,
        deleted_at timestamptz,
        erased_at timestamptz,
        queue_weight smallint NOT NULL DEFAULT 1
      );
      CREATE INDEX users_access_changed_idx ON users (access_changed_at) WHERE access_changed_at IS NOT NULL;
      CREATE UNIQUE INDEX users_email_key ON users (email);
      CREATE INDEX users_to_erase_idx ON users (deleted_at) WHERE (deleted_at IS NOT NULL) AND (erased_at IS NULL);

      CREATE TABLE sessions (
        id uuid CONSTRAINT sessions_pkey PRIMARY KEY,
        user_id uuid NOT NULL
          CONSTRAINT sessions_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        generation integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now(),
        rotated_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz
      );
      CREATE INDEX sessions_expires_idx ON sessions (expires_at);
      CREATE INDEX sessions_revoked_idx ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
      CREATE INDEX sessions_user_idx ON sessions (user_id);

      CREATE TABLE api_keys (
        id uuid CONSTRAINT api_keys_pkey PRIMARY KEY,
        user_id uuid NOT NULL
          CONSTRAINT api_keys_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        name varchar(100) NOT NULL,
        prefix varchar(16) NOT NULL,
        hash char(64) NOT NULL,
        scopes text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz,
        made_with_id uuid
      );
      CREATE UNIQUE INDEX api_keys_hash_key ON api_keys (hash);
      CREATE INDEX api_keys_revoked_idx ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;
      CREATE INDEX api_keys_user_idx ON api_keys (user_id, id);

      CREATE TABLE one_time_tokens (
        hash char(64) CONSTRAINT one_time_tokens_pkey PRIMARY KEY,
        purpose varchar(32) NOT NULL,
        user_id uuid NOT NULL
          CONSTRAINT one_time_tokens_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        expires_at timestamptz NOT NULL
      );
      CREATE INDEX one_time_tokens_expires_idx ON one_time_tokens (expires_at);
      CREATE INDEX one_time_tokens_user_idx ON one_time_tokens (user_id, purpose);

      CREATE TABLE known_networks (
        user_id uuid NOT NULL
          CONSTRAINT known_networks_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        network varchar(45) NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT known_networks_pkey PRIMARY KEY (user_id, network)
      );

      CREATE TABLE audit_log (
        id uuid CONSTRAINT audit_log_pkey PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        type varchar(40) NOT NULL,
        actor_id uuid,
        subject_id uuid,
        address varchar(45),
        details json NOT NULL DEFAULT '{}',
        key_id uuid
      );
      CREATE INDEX audit_log_subject_idx ON audit_log (subject_id, id);
      CREATE INDEX audit_log_type_idx ON audit_log (type, id);

      CREATE TABLE blobs (
        ref varchar(200) CONSTRAINT blobs_pkey PRIMARY KEY,
        stored_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE agents (
        id uuid CONSTRAINT agents_pkey PRIMARY KEY,
        owner_id uuid NOT NULL
          CONSTRAINT agents_owner_fkey REFERENCES users (id),
        slug varchar(64) NOT NULL,
        name varchar(120) NOT NULL,
        description varchar(2000) NOT NULL DEFAULT '',
        capabilities text[] NOT NULL,
        price_micro bigint NOT NULL,
        expected_duration_ms integer,
        status varchar(16) NOT NULL DEFAULT 'active',
        active_binary_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        revision bigint NOT NULL DEFAULT 0,
        price_per_kb_micro bigint NOT NULL DEFAULT 0,
        surge double precision NOT NULL DEFAULT 1,
        max_concurrency integer,
        region varchar(32),
        moderation varchar(16) NOT NULL DEFAULT 'allowed',
        moderation_reason varchar(500),
        moderated_at timestamptz
      );
      CREATE INDEX agents_capabilities_idx ON agents USING gin (capabilities);
      CREATE INDEX agents_moderation_idx ON agents (moderation, id) WHERE moderation <> 'allowed';
      CREATE UNIQUE INDEX agents_owner_slug_key ON agents (owner_id, slug) WHERE status <> 'retired';
      CREATE INDEX agents_revision_idx ON agents (revision);

      CREATE TABLE agent_binaries (
        id uuid CONSTRAINT agent_binaries_pkey PRIMARY KEY,
        agent_id uuid NOT NULL
          CONSTRAINT agent_binaries_agent_fkey REFERENCES agents (id),
        version varchar(64) NOT NULL,
        sha256 char(64) NOT NULL,
        size integer NOT NULL,
        storage_ref varchar(200)
          CONSTRAINT agent_binaries_blob_fkey REFERENCES blobs (ref),
        validation json NOT NULL,
        uploaded_by uuid NOT NULL
          CONSTRAINT agent_binaries_uploader_fkey REFERENCES users (id),
        created_at timestamptz NOT NULL DEFAULT now(),
        retired_at timestamptz,
        scan jsonb NOT NULL,
        limits json,
        CONSTRAINT agent_binaries_in_service_check CHECK (storage_ref IS NOT NULL OR retired_at IS NOT NULL)
      );
      CREATE INDEX agent_binaries_blob_idx ON agent_binaries (storage_ref);
      CREATE INDEX agent_binaries_unscanned_idx ON agent_binaries (id)
        WHERE (scan ->> 'status') IN ('unscanned', 'not_configured');
      CREATE UNIQUE INDEX agent_binaries_version_key ON agent_binaries (agent_id, version);

      CREATE TABLE agent_statistics (
        agent_id uuid CONSTRAINT agent_statistics_pkey PRIMARY KEY
          CONSTRAINT agent_statistics_agent_fkey REFERENCES agents (id),
        tasks_completed integer NOT NULL DEFAULT 0,
        attempts_failed integer NOT NULL DEFAULT 0,
        duration_p80_ms double precision,
        rating_sum integer NOT NULL DEFAULT 0,
        rating_count integer NOT NULL DEFAULT 0,
        last_invited_at timestamptz,
        cpu_p80_ms double precision,
        memory_p80_bytes double precision,
        revision bigint NOT NULL DEFAULT 0,
        estimate_ratio double precision,
        raters integer NOT NULL DEFAULT 0,
        rater_mean_sum double precision NOT NULL DEFAULT 0
      );
      CREATE INDEX agent_statistics_revision_idx ON agent_statistics (revision);

      CREATE TABLE agent_ratings (
        agent_id uuid NOT NULL
          CONSTRAINT agent_ratings_agent_fkey REFERENCES agents (id),
        rater_id uuid NOT NULL,
        votes integer NOT NULL,
        rating_sum integer NOT NULL,
        CONSTRAINT agent_ratings_pkey PRIMARY KEY (agent_id, rater_id)
      );

      CREATE TABLE task_documents (
        user_id uuid NOT NULL
          CONSTRAINT task_documents_user_fkey REFERENCES users (id),
        sha256 char(64) NOT NULL,
        size integer NOT NULL,
        storage_ref varchar(200) NOT NULL
          CONSTRAINT task_documents_blob_fkey REFERENCES blobs (ref),
        expires_at timestamptz NOT NULL,
        CONSTRAINT task_documents_pkey PRIMARY KEY (user_id, sha256)
      );
      CREATE INDEX task_documents_blob_idx ON task_documents (storage_ref);
      CREATE INDEX task_documents_expires_idx ON task_documents (expires_at);

      CREATE TABLE tasks (
        id uuid CONSTRAINT tasks_pkey PRIMARY KEY,
        user_id uuid NOT NULL
          CONSTRAINT tasks_user_fkey REFERENCES users (id),
        status varchar(16) NOT NULL,
        priority varchar(16) NOT NULL,
        description varchar(2000),
        required_capabilities text[] NOT NULL,
        budget_micro bigint NOT NULL,
        input json,
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
        completed_at timestamptz,
        run_at timestamptz,
        deadline timestamptz,
        forgiven_attempts integer NOT NULL DEFAULT 0,
        throttled boolean NOT NULL DEFAULT false,
        limits json,
        region varchar(32),
        region_required boolean NOT NULL DEFAULT false,
        input_ref char(64),
        result_by_ref boolean NOT NULL DEFAULT false,
        result_ref char(64),
        worker integer,
        traceparent varchar(55),
        retried_at timestamptz,
        share_logs boolean NOT NULL DEFAULT false,
        row_bytes integer NOT NULL DEFAULT 0,
        CONSTRAINT tasks_input_check CHECK ((input IS NULL) <> (input_ref IS NULL)),
        CONSTRAINT tasks_input_fkey FOREIGN KEY (user_id, input_ref)
          REFERENCES task_documents (user_id, sha256),
        CONSTRAINT tasks_result_fkey FOREIGN KEY (user_id, result_ref)
          REFERENCES task_documents (user_id, sha256)
      );
      CREATE INDEX tasks_at_work_idx ON tasks (agent_id) WHERE status IN ('assigned', 'running');
      CREATE INDEX tasks_deadline_idx ON tasks (deadline)
        WHERE (deadline IS NOT NULL) AND (status IN ('queued', 'assigned', 'running'));
      CREATE INDEX tasks_throttled_idx ON tasks (user_id, priority, id) WHERE throttled AND (status = 'queued');
      CREATE INDEX tasks_input_idx ON tasks (user_id, input_ref) WHERE input_ref IS NOT NULL;
      CREATE INDEX tasks_result_idx ON tasks (user_id, result_ref) WHERE result_ref IS NOT NULL;
      CREATE INDEX tasks_unfinished_idx ON tasks (status, lease_until)
        WHERE status IN ('queued', 'assigned', 'running');
      CREATE INDEX tasks_user_bytes_idx ON tasks (user_id, row_bytes);
      CREATE INDEX tasks_user_idx ON tasks (user_id, id);
      CREATE INDEX tasks_user_status_idx ON tasks (user_id, status, id);

      CREATE TABLE task_attempts (
        task_id uuid NOT NULL
          CONSTRAINT task_attempts_task_fkey REFERENCES tasks (id),
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
        task_id uuid NOT NULL
          CONSTRAINT auctions_task_fkey REFERENCES tasks (id),
        scoreboard json NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        round integer NOT NULL DEFAULT 1,
        first_attempt integer,
        CONSTRAINT auctions_pkey PRIMARY KEY (task_id, round)
      );

      CREATE TABLE idempotency_keys (
        user_id uuid NOT NULL
          CONSTRAINT idempotency_keys_user_fkey REFERENCES users (id),
        key varchar(255) NOT NULL,
        fingerprint char(64) NOT NULL,
        task_ids uuid[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key)
      );
      CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);

      CREATE TABLE task_events (
        seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT task_events_pkey PRIMARY KEY,
        task_id uuid,
        user_id uuid,
        agent_owner_id uuid,
        type varchar(40) NOT NULL,
        data json NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        agent_id uuid,
        traceparent varchar(55),
        result json
      );
      CREATE INDEX task_events_agent_idx ON task_events (agent_id, seq) WHERE agent_id IS NOT NULL;
      CREATE INDEX task_events_announcement_idx ON task_events (seq) WHERE type = 'system.announcement';
      CREATE INDEX task_events_owner_idx ON task_events (agent_owner_id, seq) WHERE agent_owner_id <> user_id;
      CREATE INDEX task_events_task_idx ON task_events (task_id, seq) WHERE task_id IS NOT NULL;
      CREATE INDEX task_events_user_idx ON task_events (user_id, seq) WHERE user_id IS NOT NULL;

      CREATE TABLE feed_cursors (
        projection varchar(40) CONSTRAINT feed_cursors_pkey PRIMARY KEY,
        seq bigint NOT NULL DEFAULT 0
      );
    `);
    await runner.query(`
      CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$;
      -- The feed's numbers follow the order of commits: one writing transaction at a time draws them. Advisory locks
      -- belong to one database, so installations on one server do not meet.
      CREATE FUNCTION lock_feed() RETURNS void LANGUAGE sql VOLATILE
        AS $$ SELECT pg_advisory_xact_lock(7305449117) $$;
      -- The transaction that changed a row last. Catalogues read by it, and an award is checked against it.
      CREATE FUNCTION stamp_revision() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN NEW.revision = pg_current_xact_id()::text::bigint; RETURN NEW; END $$;
      CREATE FUNCTION task_events_take_turn() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM lock_feed(); RETURN NULL; END $$;
      -- Volatile, so that it sees what was committed while its caller waited for the feed's lock.
      CREATE FUNCTION tasks_at_work(agent uuid, besides uuid) RETURNS bigint LANGUAGE sql VOLATILE
        AS $$ SELECT count(*) FROM tasks WHERE agent_id = agent AND status IN ('assigned', 'running') AND id <> besides $$;
      -- Agents of a suspended owner get a new revision, so that catalogues read them again.
      CREATE FUNCTION touch_agents_of_owner() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN UPDATE agents SET owner_id = owner_id WHERE owner_id = NEW.id; RETURN NULL; END $$;

      CREATE TRIGGER users_suspension AFTER UPDATE OF suspended_at ON users
        FOR EACH ROW WHEN ((old.suspended_at IS NULL) <> (new.suspended_at IS NULL))
        EXECUTE FUNCTION touch_agents_of_owner();
      CREATE TRIGGER audit_log_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse();
      CREATE TRIGGER agents_revision BEFORE INSERT OR UPDATE ON agents
        FOR EACH ROW EXECUTE FUNCTION stamp_revision();
      CREATE TRIGGER agent_statistics_revision BEFORE INSERT OR UPDATE ON agent_statistics
        FOR EACH ROW EXECUTE FUNCTION stamp_revision();
      CREATE TRIGGER task_events_in_commit_order BEFORE INSERT ON task_events
        FOR EACH STATEMENT EXECUTE FUNCTION task_events_take_turn();
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE feed_cursors, task_events, idempotency_keys, auctions, task_attempts, tasks, task_documents,
        agent_ratings, agent_statistics, agent_binaries, agents, blobs, audit_log, known_networks, one_time_tokens,
        api_keys, sessions, users;
      DROP FUNCTION touch_agents_of_owner(), tasks_at_work(uuid, uuid), task_events_take_turn(), stamp_revision(),
        lock_feed(), audit_log_refuse();
    `);
  }
}
