import { afterAll, beforeAll, expect, describe, it, jest } from '@jest/globals';
import { MicroBatcher, Sql } from '../../src/database/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.js';

describe('the hot statements', () => {
  let database: TestDatabase;
  let proxy: PostgresProxy;
  let sql: Sql;

  beforeAll(async () => {
    database = await createTestDatabase();
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

  it('are ended by the server before they are given up here, so that nothing of them is written later', async () => {
    const [{ statement_timeout }] = await sql.query<{ statement_timeout: string }>(
      'limit',
      'SHOW statement_timeout',
      [],
    );
    expect(statement_timeout).toBe('1min');
  });
});
