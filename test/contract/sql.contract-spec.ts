import { afterAll, beforeAll, expect, describe, it, jest } from '@jest/globals';
import { MicroBatcher, Sql } from '../../src/database/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { ask } from '../e2e/rows.js';
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.js';

describe('the hot statements', () => {
  let database: TestDatabase;
  let proxy: PostgresProxy;
  let sql: Sql;

  beforeAll(async () => {
    database = await createTestDatabase();
    await ask(database.url, FLAKY);
    proxy = await startPostgresProxy(database.url);
    sql = new Sql(proxy.url, 1);
  });

  afterAll(async () => {
    jest.useRealTimers();
    await proxy.close();
    await sql.close();
    await database.drop();
  });

  it('go on, over another connection, when the server has fallen silent in the middle of one', async () => {
    const batcher = new MicroBatcher<number, number>(
      async ([number]) => [
        (await sql.query<{ number: number }>('echo', 'SELECT $1::int AS number', [number]))[0].number,
      ],
      { maxItems: 1 },
    );
    expect(await batcher.add(1)).toBe(1);
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    const held = proxy.hold('answer', 'echo');
    const unanswered = batcher.add(2).catch(String);
    const behind = batcher.add(3);
    await held;
    jest.advanceTimersByTime(70_000);
    expect(await unanswered).toContain('timeout');
    expect(await behind).toBe(3);
  });

  it.each(['40001', '40P01'])(
    'are repeated when PostgreSQL undid them for others that ran beside them: %s',
    async (code) => {
      // A sequence counts the tries, because an undone statement does not take its numbers back.
      const fails = (times: number) =>
        sql.query<{ tried: string }>('flaky', 'SELECT flaky($1, $2) AS tried', [code, times]);
      await sql.query('restart', 'SELECT setval($1, 1, false)', ['tries']);
      expect(await fails(2)).toEqual([{ tried: '3' }]);
      await expect(fails(6)).rejects.toMatchObject({ code });
      expect(await fails(6)).toEqual([{ tried: '7' }]);
    },
  );

  it('are ended by the server before they are given up here, so that nothing of them is written later', async () => {
    const [{ statement_timeout }] = await sql.query<{ statement_timeout: string }>(
      'limit',
      'SHOW statement_timeout',
      [],
    );
    expect(statement_timeout).toBe('1min');
  });
});

/** A function that fails with a SQLSTATE until it has been tried more than a number of times. */
const FLAKY = `
  CREATE SEQUENCE tries;
  CREATE FUNCTION flaky(code text, fails bigint) RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE tried bigint := nextval('tries');
  BEGIN
    IF tried <= fails THEN RAISE EXCEPTION 'undone' USING ERRCODE = code; END IF;
    RETURN tried;
  END $$`;
