import { afterAll, beforeAll } from '@jest/globals';
import pg from 'pg';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { describeTaskQueue } from './task-queue.contract.js';

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
