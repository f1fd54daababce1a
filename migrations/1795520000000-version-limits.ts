import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a version allows one run, where that is less than the server does. */
export class VersionLimits1795520000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE agent_binaries ADD COLUMN limits json');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE agent_binaries DROP COLUMN limits');
  }
}
