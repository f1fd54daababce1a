import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The queue of an installation without Redis. */
export class Queue1796900000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Unlogged: an entry only says "look at this task", and the sweeper adds entries that a crash has lost.
      -- Rows live for moments, so they are vacuumed by their number and not by a share of the table.
      CREATE UNLOGGED TABLE queue_entries (
        task_id uuid CONSTRAINT queue_entries_pkey PRIMARY KEY,
        seq bigint GENERATED ALWAYS AS IDENTITY,
        -- Not to be taken before this time.
        due_at timestamptz NOT NULL,
        -- Presence number of the process that has leased the entry.
        consumer integer,
        -- How often its handler has thrown.
        failures integer NOT NULL DEFAULT 0
      ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
      CREATE INDEX queue_entries_next_idx ON queue_entries (due_at, seq) WHERE consumer IS NULL;
      CREATE INDEX queue_entries_leased_idx ON queue_entries (consumer) WHERE consumer IS NOT NULL;

      -- One row. A pause outlives crashes.
      CREATE TABLE queue_state (
        only_row boolean CONSTRAINT queue_state_pkey PRIMARY KEY DEFAULT true CONSTRAINT queue_state_one_row CHECK (only_row),
        paused boolean NOT NULL DEFAULT false
      );
      INSERT INTO queue_state DEFAULT VALUES;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE queue_state, queue_entries');
  }
}
