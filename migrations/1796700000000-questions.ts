import type { MigrationInterface, QueryRunner } from 'typeorm';
import { buildIndex } from './build-index.js';

/**
 * Questions that agents ask the submitters of their tasks, and the status `input_required` of tasks that wait for an answer.
 *
 * It builds an index while tasks are written, which no transaction can do. So each step is safe to repeat.
 */
export class Questions1796700000000 implements MigrationInterface {
  transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE tasks
        ADD COLUMN IF NOT EXISTS parked_at timestamptz,
        ADD COLUMN IF NOT EXISTS parked_ms double precision NOT NULL DEFAULT 0;
    `);
    await runner.query(`
      CREATE TABLE IF NOT EXISTS task_questions (
        id uuid CONSTRAINT task_questions_pkey PRIMARY KEY,
        task_id uuid NOT NULL,
        -- Attempts that were forgiven when it was asked: a retry by hand asks anew.
        forgiven_attempts integer NOT NULL,
        agent_id uuid NOT NULL,
        -- Number of the question in its attempt, from 0.
        place integer NOT NULL,
        -- SHA-256 of question and schema.
        hash char(64) NOT NULL,
        -- The attempt that asked it last.
        attempt integer NOT NULL,
        question text NOT NULL,
        schema json,
        asked_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        answer json,
        answered_at timestamptz,
        -- When it was closed without an answer.
        closed_at timestamptz,
        CONSTRAINT task_questions_place_key UNIQUE (task_id, forgiven_attempts, agent_id, place, hash)
      );
    `);
    await replaceIndex(
      runner,
      'tasks_unfinished_idx',
      'tasks_open_idx',
      `'queued', 'assigned', 'running', 'input_required'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    // The release before does not know the status; the lease lets another worker take the task.
    await runner.query(`UPDATE tasks SET status = 'running' WHERE status = 'input_required'`);
    await replaceIndex(runner, 'tasks_open_idx', 'tasks_unfinished_idx', `'queued', 'assigned', 'running'`);
    await runner.query('DROP TABLE IF EXISTS task_questions');
    await runner.query('ALTER TABLE tasks DROP COLUMN IF EXISTS parked_at, DROP COLUMN IF EXISTS parked_ms');
  }
}

async function replaceIndex(runner: QueryRunner, old: string, name: string, states: string): Promise<void> {
  await buildIndex(runner, name, `(status, lease_until) WHERE status IN (${states})`);
  await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${old}`);
}
