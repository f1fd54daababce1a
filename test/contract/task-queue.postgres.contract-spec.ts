import { afterAll, beforeAll } from '@jest/globals';
import pg from 'pg';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { describeTaskQueue } from './task-queue.contract.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.drop());

describeTaskQueue('PostgreSQL', async () => ({
  variables: { DATABASE_URL: database.url },
  /** The first process to come makes the schema anew. */
  async drop() {
    const client = new pg.Client(database.url);
    await client.connect();
    await client.query('DROP SCHEMA bullmq CASCADE');
    await client.end();
  },
}));
