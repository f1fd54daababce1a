import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Where in a trace a task and an event belong: W3C Trace Context. Columns that may be null cost no rewriting. One table after
 * the other, hence no transaction around both; each step can be repeated after an attempt that broke off.
 */
export class Traces1795545000000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks ADD COLUMN IF NOT EXISTS traceparent varchar(55)');
    await runner.query('ALTER TABLE task_events ADD COLUMN IF NOT EXISTS traceparent varchar(55)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE task_events DROP COLUMN IF EXISTS traceparent');
    await runner.query('ALTER TABLE tasks DROP COLUMN IF EXISTS traceparent');
  }
}
