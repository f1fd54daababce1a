import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { isPresent, Presence } from '../../src/database/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startPostgresProxy } from '../support/postgres-proxy.js';
import { until } from '../support/until.js';

describe('the presence of a process', () => {
  let database: TestDatabase;
  let pool: pg.Pool;

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new pg.Pool({ connectionString: database.url });
  });

  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  const sees = async (id: number | null): Promise<boolean | null> => {
    const { rows } = await pool.query(`SELECT ${isPresent('$1::int')} AS present`, [id]);
    return rows[0].present;
  };

  it('is seen from when it has entered until it leaves, by however many look', async () => {
    const presence = new Presence(database.url);
    expect(await sees(presence.id)).toBe(false);
    await presence.enter();
    expect(await Promise.all([sees(presence.id), sees(presence.id)])).toEqual([true, true]);
    await presence.leave();
    await until('it is gone', async () => !(await sees(presence.id)));
  });

  it('is nobody else’s', async () => {
    const presence = new Presence(database.url);
    await presence.enter();
    expect(await sees(presence.id ^ 1)).toBe(false);
    expect(await sees(null)).toBe(null);
    await presence.leave();
  });

  it('ends with its connection, and is there again once the database is', async () => {
    const proxy = await startPostgresProxy(database.url);
    const presence = new Presence(proxy.url);
    await presence.enter();
    proxy.goAway();
    await until('it is gone', async () => !(await sees(presence.id)));
    proxy.comeBack();
    await until('it is back', () => sees(presence.id).then((present) => present === true));
    // Whatever took it away may have taken the others away too.
    expect(presence.trustsAbsence).toBe(false);
    await presence.leave();
    await proxy.close();
  });
});
