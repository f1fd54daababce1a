import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { newId } from '../../src/common/ids.js';
import { Sql } from '../../src/database/index.js';
import { EventLog, type EventStream } from '../../src/feed/index.js';
import { EntryTable } from '../../src/queue/drivers/postgres/entry-table.js';
import { TurnReader } from '../../src/scheduling/turn-reader.js';
import { TaskLookup } from '../../src/tasks/task-lookup.js';
import { TaskStore } from '../../src/tasks/task-store.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const WAITING = 10_000;
/** A statement for one task may look at a few rows for each of its steps. */
const MOST_ROWS = 20;

/**
 * The worst morning: PostgreSQL counted while no task waited, so it takes the indexes of waiting tasks for empty. Then
 * 10,000 tasks arrive.
 */
describe('a hot statement, planned while nothing waited', () => {
  let database: TestDatabase;
  let statements: RecordedSql;
  let client: pg.Client;
  const users = [newId(), newId()];
  const [agentId, taskId, worker] = [newId(), newId(), 7];

  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client(database.url);
    await client.connect();
    for (const [index, id] of users.entries())
      await client.query(`INSERT INTO users (id, email, password_hash) VALUES ($1, $2, '')`, [id, `${index}@x.test`]);
    await client.query(
      `INSERT INTO agents (id, owner_id, slug, name, capabilities, price_micro) VALUES ($1, $2, 'a', 'A', '{x}', 5)`,
      [agentId, users[0]],
    );
    for (const table of ['tasks', 'queue_entries'])
      await client.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
    const insert = `INSERT INTO tasks (id, user_id, status, required_capabilities, budget_micro, timeout_ms, input, priority, throttled)
                    SELECT gen_random_uuid(), $1, $2, '{x}', 1, 1000, '{}', 'normal', $3 FROM generate_series(1, $4::int)`;
    await client.query(insert, [users[0], 'completed', false, 200]);
    await client.query('ANALYZE');
    for (const throttled of [true, false]) await client.query(insert, [users[1], 'queued', throttled, WAITING / 2]);
    await client.query(
      `INSERT INTO tasks (id, user_id, status, required_capabilities, budget_micro, timeout_ms, input, priority)
       VALUES ($1, $2, 'queued', '{x}', 1, 1000, '{}', 'normal')`,
      [taskId, users[0]],
    );
    await client.query(
      `INSERT INTO queue_entries (task_id, due_at) SELECT gen_random_uuid(), now() FROM generate_series(1, $1::int)`,
      [WAITING],
    );
    statements = await record();
  });

  afterAll(async () => {
    await statements?.close();
    await client?.end();
    await database?.drop();
  });

  it.each([
    'task-unfinished',
    'task-superseded',
    'task-transition',
    'task-idle-entries',
    'turn-progress',
    'queue-add',
    'queue-missing',
    'queue-take',
    'queue-done',
    'queue-again',
    'queue-remove',
    'queue-end-lost-leases',
  ])('%s reads the rows of its task and no others', async (name) => {
    for (const mode of ['force_custom_plan', 'force_generic_plan'])
      expect([mode, await rowsRead(name, mode)]).toEqual([mode, expect.any(Number)]);
  });

  it('turn-waiting reads the first tasks of each user, and not the whole line', async () => {
    for (const mode of ['force_custom_plan', 'force_generic_plan']) await rowsRead('turn-waiting', mode);
  });

  /** Does the product's own calls once, and keeps the statements. */
  async function record(): Promise<RecordedSql> {
    const sql = new RecordedSql(database.url, 1);
    const [lookup, turns] = [new TaskLookup(sql), new TurnReader(sql)];
    const entries = new EntryTable(sql);
    await entries.add([{ taskId }], { from: 1, inMs: 0 });
    await entries.missing([taskId]);
    const [one, other] = await entries.take(worker, 4);
    await entries.finish(worker, [
      { ...one, againInMs: null },
      { ...other, againInMs: 0 },
    ]);
    await entries.remove(taskId);
    await entries.endLostLeases(worker, [taskId], true);
    const stream = { publish: async () => undefined } as unknown as EventStream;
    const store = new TaskStore(sql, new EventLog(sql, stream));
    await lookup.unfinished(taskId, true);
    await lookup.superseded([{ taskId, ordinal: 1 }]);
    await lookup.entriesOfIdle([taskId], true);
    await turns.waiting([], { ageStepMs: 60_000, most: 4 });
    await turns.progress([taskId]);
    const [{ revision }] = (await client.query<{ revision: string }>('SELECT revision FROM agents')).rows;
    const award = { ordinal: 1, agentId, agentRevision: revision, version: '1.0.0', priceMicro: 5n, worker };
    const event = { type: 'task.assigned', data: {} } as const;
    await store.award({ taskId, to: 'assigned', attempt: 0, leaseMs: 1000, award, event });
    return sql;
  }

  /** @returns rows that the plan looked at @throws Error with the plan when they are too many */
  async function rowsRead(name: string, mode: string): Promise<number> {
    const statement = statements.texts.get(name);
    if (!statement) throw new Error(`no statement ${name} among ${[...statements.texts.keys()].join(', ')}`);
    const values = statement.values.map(literal).join(', ');
    await client.query('BEGIN');
    try {
      for (const [setting, value] of Object.entries(PLANNER)) await client.query(`SET LOCAL ${setting} = ${value}`);
      await client.query(`SET LOCAL plan_cache_mode = ${mode}`);
      await client.query(`PREPARE explained AS ${statement.text}`);
      const explain = `EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE explained${values && `(${values})`}`;
      const [{ 'QUERY PLAN': plan }] = (await client.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(explain)).rows;
      const scans = scansOf(plan[0].Plan);
      const most = Math.max(0, ...scans.map(({ rows }) => rows));
      if (most > MOST_ROWS) throw new Error(`${name} (${mode}) looks at too many rows: ${JSON.stringify(scans)}`);
      return most;
    } finally {
      await client.query('ROLLBACK');
      await client.query('DEALLOCATE ALL');
    }
  }
});

/** As `Sql` sets them for its connections. */
const PLANNER = { enable_seqscan: 'off', enable_hashjoin: 'off', enable_mergejoin: 'off' };

class RecordedSql extends Sql {
  readonly texts = new Map<string, { text: string; values: unknown[] }>();

  override query<Row extends object>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    this.texts.set(name, { text, values });
    return super.query<Row>(name, text, values);
  }
}

interface Node {
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Node[];
}

/** Rows that each scan of a table or index looked at, those that it dropped included. */
function scansOf(node: Node): { scan: string; rows: number }[] {
  const dropped = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  const rows = (node['Actual Rows'] + dropped) * node['Actual Loops'];
  const scan = node['Index Name'] ?? node['Relation Name'];
  return [...(scan ? [{ scan, rows }] : []), ...(node.Plans ?? []).flatMap(scansOf)];
}

/** A parameter as PostgreSQL would read it in a statement's text. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return pg.escapeLiteral(`{${value.join(',')}}`);
  return typeof value === 'string' ? pg.escapeLiteral(value) : String(value);
}
