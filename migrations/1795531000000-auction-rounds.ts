import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Every auction of a task is kept, not only the last. The new key is built beside the old one, so that no writer waits for
 * it; hence no transaction. Each step can be repeated after an attempt that broke off.
 */
export class AuctionRounds1795531000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE auctions ADD COLUMN IF NOT EXISTS round integer NOT NULL DEFAULT 1,
                           ADD COLUMN IF NOT EXISTS first_attempt integer`);
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS auctions_round_key');
    await runner.query('CREATE UNIQUE INDEX CONCURRENTLY auctions_round_key ON auctions (task_id, round)');
    await runner.query(`
      ALTER TABLE auctions DROP CONSTRAINT auctions_pkey,
                           ADD CONSTRAINT auctions_pkey PRIMARY KEY USING INDEX auctions_round_key`);
  }

  /** Leaves the last round of each task. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DELETE FROM auctions USING auctions AS later
       WHERE later.task_id = auctions.task_id AND later.round > auctions.round`);
    await runner.query(`
      ALTER TABLE auctions DROP CONSTRAINT auctions_pkey, DROP round, DROP first_attempt,
                           ADD CONSTRAINT auctions_pkey PRIMARY KEY (task_id)`);
  }
}
