import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tokens that are good for one use: links to the queue's dashboard, and password resets. */
export class OneTimeTokens1796140000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE one_time_tokens (
        hash char(64) CONSTRAINT one_time_tokens_pkey PRIMARY KEY,
        purpose varchar(32) NOT NULL,
        user_id uuid NOT NULL CONSTRAINT one_time_tokens_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        expires_at timestamptz NOT NULL
      );
      CREATE INDEX one_time_tokens_user_idx ON one_time_tokens (user_id, purpose);
      CREATE INDEX one_time_tokens_expires_idx ON one_time_tokens (expires_at);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE one_time_tokens');
  }
}
