import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { newId } from '../../src/common/ids.js';
import { parseEnvironment } from '../../src/config/index.js';
import { Sql } from '../../src/database/index.js';
import type { QueueEntry } from '../../src/queue/index.js';
import { PriorityAgeing } from '../../src/scheduling/priority-ageing.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let source: DataSource;
let sql: Sql;
let ageing: PriorityAgeing;

beforeAll(async () => {
  database = await createTestDatabase();
  source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  sql = new Sql(database.url, 2);
  const environment = parseEnvironment({ DATABASE_URL: database.url, QUEUE_AGE_STEP_MS: '60000' });
  ageing = new PriorityAgeing(sql, source, environment.queue);
});

afterAll(async () => {
  await Promise.all([sql.close(), source.destroy()]);
  await database.drop();
});

it('moves a task that rises until its entry could be moved, once for all who look', async () => {
  const [user, old, young] = [newId(), newId(), newId()];
  await sql.query('user', `INSERT INTO users (id, email, password_hash) VALUES ($1, 'one@example.test', '')`, [user]);
  await sql.query(
    'tasks',
    `INSERT INTO tasks (id, user_id, status, priority, required_capabilities, budget_micro, input, timeout_ms, created_at)
     SELECT id, $1, 'queued', 'low', '{}', 1, '{}', 1000, created_at
       FROM (VALUES ($2::uuid, now() - interval '2.5 minutes'), ($3::uuid, now())) AS task(id, created_at)`,
    [user, old, young],
  );
  const away = (): Promise<void> => Promise.reject(new Error('the queue is away'));
  await expect(ageing.age(10, away)).rejects.toThrow('the queue is away');

  const moved: QueueEntry[] = [];
  let others: number | undefined;
  const move = async (entries: QueueEntry[]): Promise<void> => {
    moved.push(...entries);
    others = await ageing.age(10, away);
  };
  expect(await ageing.age(10, move)).toBe(1);
  expect(moved).toEqual([{ taskId: old, priority: 'high' }]);
  expect(others).toBe(0);
  expect(await ageing.age(10, away)).toBe(0);
});
