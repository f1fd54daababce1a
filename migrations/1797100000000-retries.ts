import type { MigrationInterface, QueryRunner } from 'typeorm';
import { buildIndex } from './build-index.js';

/**
 * A retry is a task of its own, tasks of one conversation share a context, and a task may name the agent that does it.
 *
 * It builds indexes while tasks are written, which no transaction can do. So each step is safe to repeat.
 */
export class Retries1797100000000 implements MigrationInterface {
  transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE tasks
        ADD COLUMN IF NOT EXISTS retry_of uuid,
        ADD COLUMN IF NOT EXISTS context_id varchar(64),
        ADD COLUMN IF NOT EXISTS only_agent_id uuid;
    `);
    // A task is retried at most once. Its retry may outlive it, so this is no foreign key.
    await buildIndex(runner, 'tasks_retry_idx', '(retry_of) WHERE retry_of IS NOT NULL', 'UNIQUE INDEX');
    await buildIndex(runner, 'tasks_user_context_idx', '(user_id, context_id, id) WHERE context_id IS NOT NULL');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE tasks
        DROP COLUMN IF EXISTS retry_of,
        DROP COLUMN IF EXISTS context_id,
        DROP COLUMN IF EXISTS only_agent_id;
    `);
  }
}
