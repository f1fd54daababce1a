import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who registered without an admin, and the networks that accounts have logged in from. */
export class Registrations1796140200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE users ADD self_registered boolean NOT NULL DEFAULT false;
      CREATE TABLE known_networks (
        user_id uuid NOT NULL CONSTRAINT known_networks_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        network varchar(45) NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT known_networks_pkey PRIMARY KEY (user_id, network)
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE known_networks; ALTER TABLE users DROP self_registered');
  }
}
