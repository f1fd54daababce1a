import type { MigrationInterface, QueryRunner } from 'typeorm';

/** JSON Schemas that a version declares for the input it takes and the output it gives. */
export class Contracts1796400000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE agent_binaries ADD COLUMN input_schema json, ADD COLUMN output_schema json');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE agent_binaries DROP COLUMN input_schema, DROP COLUMN output_schema');
  }
}
