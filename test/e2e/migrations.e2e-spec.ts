import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { Init1795449600000 } from '../../migrations/1795449600000-init.js';
import { dataSourceOptions, migrate, revert, schemaState } from '../../src/data-source.js';
import { newId } from '../../src/common/ids.js';
import { WALL_NAMES } from '../../src/common/walls.js';
import { ADMIN, api, expectStatus, loginAdmin, registerUser, waitForTask } from '../support/client.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { good, publish, submit } from './agents.js';
import { ask } from './rows.js';

const MIGRATIONS = new URL('../../../migrations/', import.meta.url);

/** Tables that every task writes to. */
const BUSY = ['tasks', 'task_events', 'task_attempts', 'auctions'];

describe('migrations', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createEmptyDatabase();
    dataSource = await new DataSource(dataSourceOptions(database.url)).initialize();
    await dataSource.runMigrations({ transaction: 'each' });
  });

  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('turn an empty database into exactly what the entities describe', async () => {
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('do nothing when they run again', async () => {
    expect(await dataSource.runMigrations({ transaction: 'each' })).toEqual([]);
  });
});

describe('migrations of a system at work', () => {
  const changes = migrationFiles().map((name) => ({ name, up: upOf(name) }));

  it('build indexes of tables in use without blocking writers', () => {
    expect(changes.length).toBeGreaterThan(10);
    for (const { name, up } of changes) {
      const created = [...up.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+)/g)].map(([, table]) => table);
      const indexes = [...up.matchAll(/CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)[^;`]*? ON (\w+)/g)];
      const blocking = indexes.map(([, table]) => table).filter((table) => !created.includes(table));
      expect([name, blocking.filter((table) => BUSY.includes(table))]).toEqual([name, []]);
    }
  });

  it('ask nothing of the release before that it does not know, and take nothing away from it', () => {
    for (const [sql, broken] of [
      ['ALTER TABLE tasks ADD COLUMN a integer, ADD b text NOT NULL', ['ADD b text NOT NULL']],
      [
        `ALTER TABLE tasks ADD COLUMN a jsonb NOT NULL\n DEFAULT '{"b": 1, "c": 2}', ADD d text DEFAULT 'e' NOT NULL`,
        [],
      ],
      ['ALTER TABLE tasks ALTER a SET NOT NULL, ALTER COLUMN b DROP DEFAULT', ['SET NOT NULL', 'DROP DEFAULT']],
    ] as const) {
      expect(breaking(sql)).toEqual(broken);
    }
    const found = changes.map(({ name, up }): [string, string[]] => [name, breaking(up)]);
    expect(Object.fromEntries(found.filter(([, broken]) => broken.length > 0))).toEqual(BEFORE_THE_FIRST_RELEASE);
  });

  it('let everybody pass who waits behind them for a lock, and try again', async () => {
    const database = await createTestDatabase();
    const again = await revertTo('Traces', database.url);
    const reader = new pg.Client(database.url);
    await reader.connect();
    await reader.query('BEGIN; SELECT count(*) FROM tasks');
    let done = false;
    const migrated = migrate(database.url).finally(() => (done = true));
    const waiting = async (): Promise<boolean> => {
      const locks = `SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND NOT granted`;
      return (await ask(database.url, locks)).length > 0;
    };
    await until('the migration waits for the reader', waiting);
    await until('it has given up for now', async () => !(await waiting()));
    expect(done).toBe(false);
    await reader.query('COMMIT');
    expect(await migrated).toEqual(again);
    await reader.end();
    await database.drop();
  });

  it('wait for an old snapshot as long as it lasts, where nobody waits behind them', async () => {
    const database = await createTestDatabase();
    const again = await revertTo('TaskDocuments', database.url);
    const backup = new pg.Client(database.url);
    await backup.connect();
    await backup.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    const migrated = migrate(database.url);
    const waiting = `SELECT FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event = 'virtualxid' AND query ~ '^\\s*CREATE INDEX CONCURRENTLY'
                        AND query_start < clock_timestamp() - 2 * interval '3 seconds'`;
    await until('one statement has waited for twice the time that a lock may take', async () => {
      return (await ask(database.url, waiting)).length > 0;
    });
    await backup.query('COMMIT');
    expect(await migrated).toEqual(again);
    await backup.end();
    await database.drop();
  }, 60_000);
});

/** Takes back the migration of that name and all that came after it. @returns their names, the first to run again first */
async function revertTo(name: string, url: string): Promise<(string | null)[]> {
  const reverted: (string | null)[] = [];
  while (!reverted[0]?.startsWith(name)) reverted.unshift(await revert(url));
  return reverted;
}

/** What statements of the release before may fail at. */
const breaking = (up: string): string[] =>
  [...up.matchAll(BREAKING)].map(([words]) => words.replace(/\s+/g, ' ').trim());

const BREAKING = new RegExp(
  [
    'DROP (?:TABLE|COLUMN|CONSTRAINT|DEFAULT)',
    'RENAME',
    String.raw`ALTER \w+ TYPE`,
    'SET NOT NULL',
    String.raw`ADD CONSTRAINT \w+`,
    String.raw`ADD (?:COLUMN )?(?:IF NOT EXISTS )?\w+ (?:(?!DEFAULT)[^,;\`])*NOT NULL(?![^,;\`]*DEFAULT)`,
  ].join('|'),
  'g',
);

/**
 * There was no release before these. No others may come: what takes something away belongs to the release after the one that
 * has stopped using it.
 */
const BEFORE_THE_FIRST_RELEASE = {
  // A version's bytes are named in `blobs` first.
  '1795482000000-blobs.ts': [
    'ADD CONSTRAINT agent_binaries_blob_fkey',
    'ADD CONSTRAINT agent_binaries_in_service_check',
  ],
  // A version is stored with what the scanner said of it.
  '1795483000000-agent-binary-scan.ts': ['DROP DEFAULT'],
  // `ON CONFLICT (task_id)` has no key any more.
  '1795531000000-auction-rounds.ts': ['DROP CONSTRAINT', 'ADD CONSTRAINT auctions_pkey'],
};

/** Sources of the migrations after the first, in their order. */
function migrationFiles(): string[] {
  return readdirSync(MIGRATIONS)
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .slice(1);
}

/** What it does on the way up. */
function upOf(name: string): string {
  return readFileSync(new URL(name, MIGRATIONS), 'utf8').split('async down(')[0];
}

describe('processes that start together on an empty database', () => {
  it('all serve: one of them migrates it, one of them makes the admin', async () => {
    const database = await createEmptyDatabase();
    const env = { DATABASE_URL: database.url, JWT_SECRET: 'shared by the three servers of this test' };
    const servers = await Promise.all(Array.from({ length: 3 }, () => startServer({ env })));
    const said = (words: string) => servers.filter((server) => server.stdout().includes(words)).length;
    expect(said('migrated the database')).toBe(1);
    expect(said('the password from ADMIN_PASSWORD')).toBe(1);
    for (const { url } of servers) await loginAdmin(url);
    await Promise.all(servers.map((server) => server.stop()));
    await database.drop();
  });
});

describe('an installation in production that was given no password', () => {
  it('makes no admin with one that is in its log, nor of a user who registered ADMIN_EMAIL, and says what to do', async () => {
    const database = await createEmptyDatabase();
    // The machine that runs the tests need not have every wall.
    const production = {
      NODE_ENV: 'production',
      ALLOW_MISSING_WALLS: WALL_NAMES.join(','),
      JWT_SECRET: 'x'.repeat(32),
    };
    const env = { ...production, DATABASE_URL: database.url, ADMIN_PASSWORD: '' };
    const server = await startServer({ env });
    expect(server.stdout()).toContain('npm run admin:create');
    expect(server.stdout()).not.toContain('shown this once');
    expect(await ask(database.url, `SELECT 1 FROM users`)).toEqual([]);
    await api(server.url).post('/auth/register', ADMIN);
    await server.stop();

    const next = await startServer({ env: { ...env, ADMIN_PASSWORD: ADMIN.password } });
    expect(next.stdout()).toContain("is a user's account. Set another ADMIN_EMAIL");
    expect(await ask(database.url, `SELECT role FROM users`)).toEqual([{ role: 'user' }]);
    await next.stop();
    await database.drop();
  });
});

describe('a populated database of the first schema', () => {
  let database: TestDatabase;
  const ids = { user: newId(), agent: newId(), binary: newId(), task: newId() };

  beforeAll(async () => {
    database = await createEmptyDatabase();
    const first = new DataSource({ ...dataSourceOptions(database.url), migrations: [Init1795449600000] });
    await (await first.initialize()).runMigrations();
    await first.query(populate(ids));
    await first.destroy();
  });

  afterAll(() => database.drop());

  const rows = (): Promise<object[]> =>
    ask(
      database.url,
      `SELECT u.email, a.slug, b.version, b.storage_ref, t.status, t.input::text, t.cost_micro, p.outcome, e.seq::int,
              e.data::text
         FROM users u JOIN agents a ON a.owner_id = u.id JOIN agent_binaries b ON b.id = a.active_binary_id
         JOIN tasks t ON t.agent_id = a.id JOIN task_attempts p ON p.task_id = t.id JOIN task_events e ON e.task_id = t.id
        ORDER BY e.seq`,
    );

  it('is brought up to date and back again, and keeps what it held', async () => {
    const before = await rows();
    expect(before).toHaveLength(2);
    const migrations = await migrate(database.url);
    expect(await schemaState(database.url)).toEqual({ pending: [], unknown: [] });
    expect(await rows()).toEqual(before);
    const events = await ask(database.url, 'SELECT agent_id FROM task_events ORDER BY seq');
    expect(events).toEqual([{ agent_id: null }, { agent_id: ids.agent }]);
    expect(await ask(database.url, 'SELECT ref FROM blobs')).toEqual([{ ref: 'local:aa' }]);

    const reverted: (string | null)[] = [];
    for (const _ of migrations) reverted.push(await revert(database.url));
    expect(reverted).toEqual([...migrations].reverse());
    expect(await rows()).toEqual(before);
    // By several at once, as processes that boot together do: one of them works, and none waits for another for ever.
    const shares = await Promise.all([1, 2, 3].map(() => migrate(database.url)));
    expect(shares.filter((names) => names.length > 0)).toEqual([migrations]);
    expect(await rows()).toEqual(before);
  });

  it('serves afterwards: what it held is read, and a new task is run', async () => {
    const server = await startServer({ env: { DATABASE_URL: database.url } });
    try {
      const admin = await loginAdmin(server.url);
      const old = expectStatus(await api(server.url).get(`/tasks/${ids.task}`, { token: admin }), 200).body;
      expect(old).toMatchObject({ status: 'completed', input: { n: 1 }, attempts: [{ outcome: 'completed' }] });
      const { token } = await registerUser(server.url);
      await publish(server.url, token, 'after', await good(), { capabilities: ['after'] });
      await waitForTask(server.url, token, await submit(server.url, token, 'after'), 'completed');
    } finally {
      await server.stop();
    }
  });
});

const populate = ({ user, agent, binary, task }: Record<'user' | 'agent' | 'binary' | 'task', string>): string => `
  INSERT INTO users (id, email, password_hash) VALUES ('${user}', 'ada@example.org', 'x');
  INSERT INTO agents (id, owner_id, slug, name, capabilities, price_micro, active_binary_id)
    VALUES ('${agent}', '${user}', 'my-agent', 'My agent', '{a,b}', 500000, '${binary}');
  INSERT INTO agent_statistics (agent_id) VALUES ('${agent}');
  INSERT INTO agent_binaries (id, agent_id, version, sha256, size, storage_ref, validation, uploaded_by)
    VALUES ('${binary}', '${agent}', '1.0.0', 'aa', 8, 'local:aa', '{}', '${user}');
  INSERT INTO tasks (id, user_id, status, priority, required_capabilities, budget_micro, input, timeout_ms, attempt,
                     agent_id, version, cost_micro)
    VALUES ('${task}', '${user}', 'completed', 'normal', '{a}', 1000000, '{"n":1}', 1000, 1, '${agent}', '1.0.0', 500000);
  INSERT INTO task_attempts (task_id, ordinal, agent_id, version, price_micro, outcome, started_at)
    VALUES ('${task}', 1, '${agent}', '1.0.0', 500000, 'completed', now());
  INSERT INTO auctions (task_id, scoreboard) VALUES ('${task}', '{}');
  INSERT INTO task_events (type, task_id, user_id, data) VALUES
    ('task.queued', '${task}', '${user}', '{"status":"queued"}'),
    ('task.completed', '${task}', '${user}', '{"agent_id":"${agent}","result":"\\u0000"}');
`;
