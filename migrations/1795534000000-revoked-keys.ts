import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Every API process asks every two seconds which keys were revoked lately. */
export class RevokedKeys1795534000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX api_keys_revoked_idx ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX api_keys_revoked_idx');
  }
}
