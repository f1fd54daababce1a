import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The ledger of stored bytes, and versions that can be retired. */
export class Blobs1795482000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE blobs (
        ref varchar(200) CONSTRAINT blobs_pkey PRIMARY KEY,
        stored_at timestamptz NOT NULL DEFAULT now()
      );
      INSERT INTO blobs (ref) SELECT DISTINCT storage_ref FROM agent_binaries;

      ALTER TABLE agent_binaries
        ADD COLUMN retired_at timestamptz,
        ALTER COLUMN storage_ref DROP NOT NULL,
        ADD CONSTRAINT agent_binaries_blob_fkey FOREIGN KEY (storage_ref) REFERENCES blobs (ref),
        ADD CONSTRAINT agent_binaries_in_service_check CHECK (storage_ref IS NOT NULL OR retired_at IS NOT NULL);
      CREATE INDEX agent_binaries_blob_idx ON agent_binaries (storage_ref);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    // The bytes of these versions are gone; the reference says so to whoever follows it.
    await runner.query(`
      DROP INDEX agent_binaries_blob_idx;
      ALTER TABLE agent_binaries
        DROP CONSTRAINT agent_binaries_in_service_check,
        DROP CONSTRAINT agent_binaries_blob_fkey;
      UPDATE agent_binaries SET storage_ref = 'deleted:' || sha256 WHERE storage_ref IS NULL;
      ALTER TABLE agent_binaries ALTER COLUMN storage_ref SET NOT NULL, DROP COLUMN retired_at;
      DROP TABLE blobs;
    `);
  }
}
