import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Accounts that were deleted keep their row and id, for what refers to them; `erased_at` says that nothing else is left. */
export class DeletedAccounts1796140300000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE users ADD deleted_at timestamptz, ADD erased_at timestamptz;
      CREATE INDEX users_to_erase_idx ON users (deleted_at) WHERE deleted_at IS NOT NULL AND erased_at IS NULL;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE users DROP erased_at, DROP deleted_at');
  }
}
