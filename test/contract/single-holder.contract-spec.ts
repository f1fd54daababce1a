import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { SingleHolder } from '../../src/database/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/until.js';

const LOCK = 42;

describe('the single holder of a lock', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
  });

  afterAll(() => database.drop());

  it('stays the same until it closes; then the next that asks is the holder', async () => {
    const [one, other] = [new SingleHolder(database.url, LOCK), new SingleHolder(database.url, LOCK)];
    expect(await one.isHolder()).toBe(false);
    await Promise.all([one.open(), other.open()]);
    expect([await one.isHolder(), await other.isHolder(), await one.isHolder()]).toEqual([true, false, true]);
    await one.close();
    await until('the other is the holder', () => other.isHolder());
    expect(await one.isHolder()).toBe(false);
    await other.close();
  });

  it('is another one after PostgreSQL ended its session, and may come back later', async () => {
    const [one, other] = [new SingleHolder(database.url, LOCK), new SingleHolder(database.url, LOCK)];
    await Promise.all([one.open(), other.open()]);
    await until('one is the holder', () => one.isHolder());
    const client = new pg.Client(database.url);
    await client.connect();
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = ${LOCK}`,
    );
    await client.end();
    await until('the other is the holder', () => other.isHolder());
    await until('the first has noticed', async () => !(await one.isHolder().catch(() => false)));
    await other.close();
    await until('the first is the holder again', () => one.isHolder().catch(() => false));
    await one.close();
  });

  it('is another one when it is silent for too long', async () => {
    const [one, other] = [new SingleHolder(database.url, LOCK), new SingleHolder(database.url, LOCK)];
    await Promise.all([one.open(), other.open()]);
    await until('one is the holder', () => one.isHolder());
    await until('the other is the holder', () => other.isHolder());
    await Promise.all([one.close(), other.close()]);
  });
});
