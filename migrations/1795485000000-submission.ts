import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a submission may ask for beyond the task itself: to be told apart from its repetition, a later start, a deadline. */
export class Submission1795485000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE idempotency_keys (
        user_id uuid NOT NULL CONSTRAINT idempotency_keys_user_fkey REFERENCES users (id),
        key varchar(255) NOT NULL,
        fingerprint char(64) NOT NULL,
        task_ids uuid[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key)
      );
      CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);

      ALTER TABLE tasks ADD COLUMN run_at timestamptz, ADD COLUMN deadline timestamptz;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE idempotency_keys;
      ALTER TABLE tasks DROP COLUMN run_at, DROP COLUMN deadline;
    `);
  }
}
