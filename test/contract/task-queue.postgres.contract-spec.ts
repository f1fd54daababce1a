import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { newId } from '../../src/common/ids.js';
import { TASK_QUEUE, type TaskQueue } from '../../src/queue/index.js';
import { until } from '../support/until.js';
import { describeTaskQueue, entry, startProcess, work } from './task-queue.contract.js';

let database: TestDatabase;
let queues = 0;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.drop());

/** All queues are in one database, kept apart by their prefix alone. */
describeTaskQueue('PostgreSQL', async () => {
  const name = `queue-${++queues}`;
  return {
    variables: { DATABASE_URL: database.url, QUEUE_PREFIX: name },
    async drop() {
      const client = new pg.Client(database.url);
      await client.connect();
      await client.query(`DROP SCHEMA ${name.replace('-', '_')}_queue CASCADE`);
      await client.end();
    },
  };
});

/** Whoever takes an entry waits until nobody else holds this lock. */
const SLOW_FETCH = `
  CREATE FUNCTION slow_queue.wait() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
  CREATE TRIGGER wait BEFORE UPDATE ON slow_queue.job FOR EACH ROW EXECUTE FUNCTION slow_queue.wait();
  SELECT pg_advisory_lock(1)`;

it('waits also for an entry that was being fetched as the queue stopped consuming', async () => {
  const process = await startProcess({ DATABASE_URL: database.url, QUEUE_PREFIX: 'slow' });
  const client = new pg.Client(database.url);
  await client.connect();
  try {
    const queue: TaskQueue = process.get(TASK_QUEUE);
    const worker = await work(queue, { hold: true });
    await queue.counts();
    await client.query(SLOW_FETCH);
    const id = newId();
    await queue.add([entry(id)]);
    const fetching = async () =>
      (await client.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted`)).rows;
    await until('it is being fetched', async () => (await fetching()).length > 0);
    let stopped = false;
    const stopping = queue.stopConsuming().then(() => (stopped = true));
    await client.query('SELECT pg_advisory_unlock(1)');
    await until('it is under way', () => worker.begun.length === 1);
    // Longer than a stop waits for a backend that does not answer.
    await pause(6000);
    const early = stopped;
    worker.release();
    await stopping;
    expect([early, worker.ended]).toEqual([false, [id]]);
  } finally {
    await client.end();
    await process.close();
  }
});
