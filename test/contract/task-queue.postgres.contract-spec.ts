import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { newId } from '../../src/common/ids.js';
import { migrate } from '../../src/data-source.js';
import { Presence, Sql } from '../../src/database/index.js';
import { EntryTable } from '../../src/queue/drivers/postgres/entry-table.js';
import { PostgresTaskQueue } from '../../src/queue/drivers/postgres/postgres-task-queue.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/until.js';
import { describeTaskQueue, entry, type QueueOfProcess, work } from './task-queue.contract.js';

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  await migrate(database.url);
  client = new pg.Client(database.url);
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

/** @param trustsAbsence whether it takes a process that is not present for dead, as it does some time after its start */
async function open(trustsAbsence = true): Promise<QueueOfProcess> {
  const [sql, presence] = [new Sql(database.url, 2), new Presence(database.url)];
  await presence.enter();
  const queue = new PostgresTaskQueue(database.url, new EntryTable(sql), { id: presence.id, trustsAbsence });
  const exit = async (): Promise<void> => {
    await Promise.all([queue.close(), presence.leave()]);
    await sql.close();
  };
  return { queue, exit };
}

const empty = () => client.query('TRUNCATE queue_entries; UPDATE queue_state SET paused = false');

describeTaskQueue('PostgreSQL', async () => ({ open, drop: async () => void (await empty()) }));

/** Whoever takes an entry waits until nobody else holds this lock. */
const SLOW_FETCH = `
  CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
  CREATE TRIGGER wait BEFORE UPDATE ON queue_entries FOR EACH ROW EXECUTE FUNCTION wait();
  SELECT pg_advisory_lock(1)`;

it('waits also for an entry that was being fetched as the queue stopped consuming', async () => {
  const { queue, exit } = await open();
  try {
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
    await client.query('DROP FUNCTION wait CASCADE');
    await exit();
    await empty();
  }
});

it('hands entries of a process that has gone to another, and leaves those of one that lives', async () => {
  const [dying, living, heir] = [await open(), await open(), await open()];
  const [lost, kept, ...rest] = [newId(), newId(), newId()];
  const [one, two] = [await work(dying.queue, { hold: true }), await work(living.queue, { hold: true })];
  await dying.queue.add([entry(lost)]);
  await until('one holds an entry', () => one.begun.length + two.begun.length === 1);
  await dying.queue.add([entry(kept)]);
  await until('each holds an entry', () => one.begun.length === 1 && two.begun.length === 1);
  await dying.exit(); // Its handler goes on: the process is not asked.
  const worker = await work(heir.queue);
  await heir.queue.add(rest.map(entry));
  await until('the entry is handed out again', () => worker.begun.length === 2);
  expect(worker.begun.sort()).toEqual([one.begun[0], ...rest].sort());
  expect(await heir.queue.counts()).toEqual({ waiting: 0, active: 1, delayed: 0 });
  for (const { release } of [one, two]) release();
  for (const { queue } of [dying, living, heir]) await queue.stopConsuming();
  await Promise.all([living.exit(), heir.exit()]);
  await empty();
});

it('hands an entry out again whose end it could not write', async () => {
  const { queue, exit } = await open();
  const id = newId();
  let tries = 0;
  await client.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
    CREATE TRIGGER refuse BEFORE DELETE ON queue_entries FOR EACH ROW EXECUTE FUNCTION refuse()`);
  queue.consume(async () => void tries++, 1);
  await queue.add([entry(id)]);
  await until('it was handed out', () => tries === 1);
  await client.query('DROP FUNCTION refuse CASCADE');
  await until('it was handed out again', () => tries === 2);
  await until('it is gone', async () => (await queue.missing([id])).length === 1);
  await queue.stopConsuming();
  await exit();
});
