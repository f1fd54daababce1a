import type pg from 'pg';
import { inDatabase } from '../support/postgres.js';

/**
 * The documents the peer writes with each task: those of a real task, so that both write the same bytes.
 * Each is JSON text.
 */
export interface Documents {
  agentId: string;
  ownerId: string;
  version: string;
  scoreboard: string;
  metering: string;
  result: string;
  /** Data of the event, by type. */
  events: Record<string, string>;
}

/** @param databaseUrl of an installation that has completed a task */
export function sampleDocuments(databaseUrl: string): Promise<Documents> {
  return inDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<Documents>(`
      SELECT attempt.agent_id AS "agentId", agent.owner_id AS "ownerId", attempt.version,
             auction.scoreboard::text, attempt.metering::text, task.result::text,
             (SELECT json_object_agg(type, data::text) FROM task_events WHERE task_id = task.id) AS events
        FROM tasks task
        JOIN task_attempts attempt ON attempt.task_id = task.id
        JOIN agents agent ON agent.id = attempt.agent_id
        JOIN auctions auction ON auction.task_id = task.id
       WHERE task.status = 'completed'
       LIMIT 1`);
    return rows[0];
  });
}

/** The four durable steps of a task, each one statement and one round trip. */
export class Statements {
  constructor(
    private readonly pool: pg.Pool,
    private readonly documents: Documents,
  ) {}

  async submit(id: string, userId: string, capabilities: string[], input: string): Promise<void> {
    const values = [id, userId, capabilities, input, this.documents.events['task.queued']];
    await this.pool.query({ name: 'submit', text: SUBMIT, values });
  }

  /** @returns its input */
  async claim(id: string): Promise<string> {
    const { agentId, ownerId, version, scoreboard, events } = this.documents;
    const values = [id, agentId, version, scoreboard, ownerId, events['task.assigned']];
    const { rows } = await this.pool.query<{ input: string }>({ name: 'claim', text: CLAIM, values });
    return rows[0].input;
  }

  async run(id: string): Promise<void> {
    const values = [id, this.documents.ownerId, this.documents.events['task.running']];
    await this.pool.query({ name: 'run', text: RUN, values });
  }

  async settle(id: string): Promise<void> {
    const { result, metering, ownerId, events } = this.documents;
    const values = [id, result, metering, ownerId, events['task.completed']];
    await this.pool.query({ name: 'settle', text: SETTLE, values });
  }
}

const SUBMIT = `
  WITH task AS (
    INSERT INTO tasks (id, user_id, status, priority, required_capabilities, budget_micro, input, timeout_ms)
    VALUES ($1, $2, 'queued', 'normal', $3, 1000000, $4, 30000)
    RETURNING id, user_id
  )
  INSERT INTO task_events (type, task_id, user_id, data) SELECT 'task.queued', id, user_id, $5 FROM task`;

const CLAIM = `
  WITH task AS (
    UPDATE tasks
       SET status = 'assigned', attempt = 1, agent_id = $2, version = $3, lease_until = clock_timestamp() + interval '1 minute'
     WHERE id = $1 AND status = 'queued'
    RETURNING id, user_id, input
  ),
  attempt AS (
    INSERT INTO task_attempts (task_id, ordinal, agent_id, version, price_micro, started_at)
    SELECT id, 1, $2, $3, 300000, clock_timestamp() FROM task
  ),
  auction AS (INSERT INTO auctions (task_id, scoreboard) SELECT id, $4 FROM task),
  event AS (
    INSERT INTO task_events (type, task_id, user_id, agent_owner_id, data)
    SELECT 'task.assigned', id, user_id, $5, $6 FROM task
  )
  SELECT input::text FROM task`;

const RUN = `
  WITH task AS (
    UPDATE tasks
       SET status = 'running', started_at = clock_timestamp(), lease_until = clock_timestamp() + interval '1 minute'
     WHERE id = $1 AND status = 'assigned'
    RETURNING id, user_id
  )
  INSERT INTO task_events (type, task_id, user_id, agent_owner_id, data)
  SELECT 'task.running', id, user_id, $2, $3 FROM task`;

const SETTLE = `
  WITH task AS (
    UPDATE tasks
       SET status = 'completed', result = $2, cost_micro = 300000, lease_until = NULL, completed_at = clock_timestamp()
     WHERE id = $1 AND status = 'running'
    RETURNING id, user_id
  ),
  attempt AS (
    UPDATE task_attempts
       SET outcome = 'completed', metering = $3, ended_at = clock_timestamp()
      FROM task
     WHERE task_id = task.id AND ordinal = 1
  )
  INSERT INTO task_events (type, task_id, user_id, agent_owner_id, data)
  SELECT 'task.completed', id, user_id, $4, $5 FROM task`;
