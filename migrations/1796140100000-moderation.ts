import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What admins decide about agents, and why they suspended an account. */
export class Moderation1796140100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE agents
        ADD moderation varchar(16) NOT NULL DEFAULT 'allowed',
        ADD moderation_reason varchar(500),
        ADD moderated_at timestamptz;
      CREATE INDEX agents_moderation_idx ON agents (moderation, id) WHERE moderation <> 'allowed';
      ALTER TABLE users ADD suspension_reason varchar(500);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE users DROP suspension_reason;
      ALTER TABLE agents DROP moderation, DROP moderation_reason, DROP moderated_at;
    `);
  }
}
