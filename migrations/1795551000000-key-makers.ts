import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The API key that a key was made with: the one is revoked with the other. */
export class KeyMakers1795551000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api_keys ADD COLUMN made_with_id uuid');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api_keys DROP COLUMN made_with_id');
  }
}
