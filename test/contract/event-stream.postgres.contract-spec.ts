import { afterAll, beforeAll } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { Sql } from '../../src/database/index.js';
import { PostgresEventStream } from '../../src/feed/drivers/postgres-event-stream.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { describeEventStream } from './event-stream.contract.js';

const LISTENERS = `FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'zerostate-feed'`;

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.drop());

describeEventStream('PostgreSQL', async () => {
  const sql = new Sql(database.url);
  const channel = `${newId()}:events`;
  return {
    open: () => new PostgresEventStream(database.url, channel, sql),
    connections: async () => (await sql.query('listeners', `SELECT pid ${LISTENERS}`, [])).length,
    breakConnections: async () => void (await sql.query('break', `SELECT pg_terminate_backend(pid) ${LISTENERS}`, [])),
    drop: () => sql.close(),
  };
});
