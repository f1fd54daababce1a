import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The API key that an act was done with. */
export class AuditKeys1795550000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE audit_log ADD COLUMN key_id uuid');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE audit_log DROP COLUMN key_id');
  }
}
