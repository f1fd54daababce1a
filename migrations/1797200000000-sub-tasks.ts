import type { MigrationInterface, QueryRunner } from 'typeorm';
import { buildIndex } from './build-index.js';

/**
 * Sub-tasks: tasks that the agent of another task has submitted.
 *
 * It builds indexes while tasks are written, which no transaction can do. So each step is safe to repeat.
 */
export class SubTasks1797200000000 implements MigrationInterface {
  transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE tasks
        -- The task whose agent submitted this one, and the attempt that did.
        ADD COLUMN IF NOT EXISTS parent_id uuid,
        ADD COLUMN IF NOT EXISTS parent_attempt integer,
        -- The task at the top, which a user submitted.
        ADD COLUMN IF NOT EXISTS root_id uuid,
        -- Agents of the tasks above, the first task's first, and the owners of these agents.
        ADD COLUMN IF NOT EXISTS ancestor_agents uuid[] NOT NULL DEFAULT '{}',
        ADD COLUMN IF NOT EXISTS ancestor_owners uuid[] NOT NULL DEFAULT '{}',
        -- What its hold has lent to the holds of its sub-tasks since it was opened; max_host_cost_micro is without it.
        ADD COLUMN IF NOT EXISTS lent_micro bigint NOT NULL DEFAULT 0;
    `);
    await buildIndex(runner, 'tasks_parent_idx', '(parent_id, id) WHERE parent_id IS NOT NULL');
    await buildIndex(runner, 'tasks_root_idx', '(root_id) WHERE root_id IS NOT NULL');
    await runner.query(`
      -- Tasks below a task. Volatile, so that it sees what was committed while its caller waited for the feed's lock.
      CREATE OR REPLACE FUNCTION tasks_below(root uuid, besides uuid) RETURNS bigint LANGUAGE sql VOLATILE
        AS $$ SELECT count(*) FROM tasks WHERE root_id = root AND id <> besides $$;
      -- An agent that waits for its sub-tasks takes no place: two agents that hire each other could block each other.
      CREATE OR REPLACE FUNCTION tasks_at_work(agent uuid, besides uuid) RETURNS bigint LANGUAGE sql VOLATILE
        AS $$ SELECT count(*) FROM tasks
               WHERE agent_id = agent AND status IN ('assigned', 'running') AND parked_at IS NULL AND id <> besides $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION tasks_at_work(agent uuid, besides uuid) RETURNS bigint LANGUAGE sql VOLATILE
        AS $$ SELECT count(*) FROM tasks WHERE agent_id = agent AND status IN ('assigned', 'running') AND id <> besides $$;
      DROP FUNCTION IF EXISTS tasks_below(uuid, uuid);
      ALTER TABLE tasks DROP COLUMN IF EXISTS parent_id, DROP COLUMN IF EXISTS parent_attempt, DROP COLUMN IF EXISTS root_id,
        DROP COLUMN IF EXISTS ancestor_agents, DROP COLUMN IF EXISTS ancestor_owners, DROP COLUMN IF EXISTS lent_micro;
    `);
  }
}
