import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Inputs and results that are too large for a row are documents of their own, in the blob store. On a table of any size nobody
 * waits: constraints are added without a look at what is there, then checked; indexes are built beside their writers. Hence no
 * transaction; each step can be repeated after an attempt that broke off.
 */
export class TaskDocuments1795540000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE IF NOT EXISTS task_documents (
        user_id uuid NOT NULL CONSTRAINT task_documents_user_fkey REFERENCES users (id),
        sha256 char(64) NOT NULL,
        size integer NOT NULL,
        storage_ref varchar(200) NOT NULL CONSTRAINT task_documents_blob_fkey REFERENCES blobs (ref),
        expires_at timestamptz NOT NULL,
        CONSTRAINT task_documents_pkey PRIMARY KEY (user_id, sha256)
      );
      CREATE INDEX IF NOT EXISTS task_documents_blob_idx ON task_documents (storage_ref);
      CREATE INDEX IF NOT EXISTS task_documents_expires_idx ON task_documents (expires_at);
    `);
    await runner.query(`
      ALTER TABLE tasks ALTER input DROP NOT NULL,
                        ADD COLUMN IF NOT EXISTS input_ref char(64),
                        ADD COLUMN IF NOT EXISTS result_by_ref boolean NOT NULL DEFAULT false,
                        ADD COLUMN IF NOT EXISTS result_ref char(64)`);
    await this.constrain(runner, 'tasks_input_check', 'CHECK ((input IS NULL) <> (input_ref IS NULL))');
    for (const name of ['input', 'result']) {
      const document = `FOREIGN KEY (user_id, ${name}_ref) REFERENCES task_documents (user_id, sha256)`;
      await this.constrain(runner, `tasks_${name}_fkey`, document);
      await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS tasks_${name}_idx`);
      await runner.query(
        `CREATE INDEX CONCURRENTLY tasks_${name}_idx ON tasks (user_id, ${name}_ref) WHERE ${name}_ref IS NOT NULL`,
      );
    }
  }

  /** Of an input that was a document only its hash is left. Bytes stay in the blob store until the cleanup. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_input_check');
    await runner.query(`UPDATE tasks SET input = json_build_object('input_ref', input_ref) WHERE input IS NULL`);
    await runner.query(
      'ALTER TABLE tasks ALTER input SET NOT NULL, DROP input_ref, DROP result_by_ref, DROP result_ref',
    );
    await runner.query('DROP TABLE task_documents');
  }

  private async constrain(runner: QueryRunner, name: string, constraint: string): Promise<void> {
    await runner.query(`
      ALTER TABLE tasks DROP CONSTRAINT IF EXISTS ${name}, ADD CONSTRAINT ${name} ${constraint} NOT VALID`);
    await runner.query(`ALTER TABLE tasks VALIDATE CONSTRAINT ${name}`);
  }
}
