import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sessions, API keys, suspension and the audit trail. */
export class Accounts1795488000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE users ADD suspended_at timestamptz, ADD access_changed_at timestamptz;
      CREATE INDEX users_access_changed_idx ON users (access_changed_at) WHERE access_changed_at IS NOT NULL;

      CREATE TABLE sessions (
        id uuid CONSTRAINT sessions_pkey PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT sessions_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        generation integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now(),
        rotated_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz
      );
      CREATE INDEX sessions_user_idx ON sessions (user_id);
      CREATE INDEX sessions_revoked_idx ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
      CREATE INDEX sessions_expires_idx ON sessions (expires_at);

      CREATE TABLE api_keys (
        id uuid CONSTRAINT api_keys_pkey PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT api_keys_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        name varchar(100) NOT NULL,
        prefix varchar(16) NOT NULL,
        hash char(64) NOT NULL,
        scopes text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz
      );
      CREATE UNIQUE INDEX api_keys_hash_key ON api_keys (hash);
      CREATE INDEX api_keys_user_idx ON api_keys (user_id, id);

      CREATE TABLE audit_log (
        id uuid CONSTRAINT audit_log_pkey PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        type varchar(40) NOT NULL,
        actor_id uuid,
        subject_id uuid,
        address varchar(45),
        details json NOT NULL DEFAULT '{}'
      );
      CREATE INDEX audit_log_type_idx ON audit_log (type, id);
      CREATE INDEX audit_log_subject_idx ON audit_log (subject_id, id);

      CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$;
      CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse();
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE audit_log, api_keys, sessions;
      DROP FUNCTION audit_log_refuse();
      DROP INDEX users_access_changed_idx;
      ALTER TABLE users DROP suspended_at, DROP access_changed_at;
    `);
  }
}
