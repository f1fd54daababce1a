import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { dataSourceOptions, migrate, MIGRATIONS, revert, schemaState } from '../../src/data-source.js';
import { newId } from '../../src/common/ids.js';
import { WALL_NAMES } from '../../src/common/walls.js';
import { ADMIN, api, expectStatus, loginAdmin, registerUser, waitForTask } from '../support/client.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { good, publish, submit } from './agents.js';
import { ask } from './rows.js';

const FOLDER = new URL('../../../migrations/', import.meta.url);

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

/** As a later release might bring it: waits for readers of `tasks`. */
class AddColumn9990000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks ADD COLUMN probe integer');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tasks DROP COLUMN probe');
  }
}

/** As a later release might bring it: waits for older snapshots. */
class BuildIndex9990000000001 implements MigrationInterface {
  transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS tasks_probe_idx');
    await runner.query('CREATE INDEX CONCURRENTLY tasks_probe_idx ON tasks (created_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY tasks_probe_idx');
  }
}

describe('migrations of a system at work', () => {
  const changes = migrationFiles().map((name) => ({ name, up: upOf(name) }));
  const column = [...MIGRATIONS, AddColumn9990000000000];
  const index = [...MIGRATIONS, BuildIndex9990000000001];

  it('build indexes of tables in use without blocking writers', () => {
    expect(blockingIndexes('CREATE INDEX a ON tasks (id); CREATE UNIQUE INDEX b ON agents (id)')).toEqual(['tasks']);
    expect(
      blockingIndexes('CREATE INDEX CONCURRENTLY a ON tasks (id); CREATE TABLE b (); CREATE INDEX c ON b (d)'),
    ).toEqual([]);
    for (const { name, up } of changes) expect([name, blockingIndexes(up)]).toEqual([name, []]);
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
    for (const { name, up } of changes) expect([name, breaking(up)]).toEqual([name, []]);
  });

  it('let everybody pass who waits behind them for a lock, and try again', async () => {
    const database = await createTestDatabase();
    const reader = new pg.Client(database.url);
    await reader.connect();
    await reader.query('BEGIN; SELECT count(*) FROM tasks');
    let done = false;
    const migrated = migrate(database.url, column).finally(() => (done = true));
    const waiting = async (): Promise<boolean> => {
      const locks = `SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND NOT granted`;
      return (await ask(database.url, locks)).length > 0;
    };
    await until('the migration waits for the reader', waiting);
    await until('it has given up for now', async () => !(await waiting()));
    expect(done).toBe(false);
    await reader.query('COMMIT');
    expect(await migrated).toEqual(['AddColumn9990000000000']);
    await reader.end();
    await database.drop();
  });

  it('wait for an old snapshot as long as it lasts, where nobody waits behind them', async () => {
    const database = await createTestDatabase();
    const backup = new pg.Client(database.url);
    await backup.connect();
    await backup.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    const migrated = migrate(database.url, index);
    const waiting = `SELECT FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event = 'virtualxid' AND query ~ '^\\s*CREATE INDEX CONCURRENTLY'
                        AND query_start < clock_timestamp() - 2 * interval '3 seconds'`;
    await until('one statement has waited for twice the time that a lock may take', async () => {
      return (await ask(database.url, waiting)).length > 0;
    });
    await backup.query('COMMIT');
    expect(await migrated).toEqual(['BuildIndex9990000000001']);
    await backup.end();
    await database.drop();
  }, 60_000);

  it('run once when several processes start together, and are taken back one by one', async () => {
    const database = await createTestDatabase();
    const all = [...column, BuildIndex9990000000001];
    const names = ['AddColumn9990000000000', 'BuildIndex9990000000001'];
    const shares = await Promise.all([1, 2, 3].map(() => migrate(database.url, all)));
    expect(shares.filter((share) => share.length > 0)).toEqual([names]);
    const after = all.slice(1).map(({ name }) => name);
    for (const name of after.toReversed()) expect(await revert(database.url, all)).toBe(name);
    await expect(revert(database.url, all)).rejects.toThrow('would delete all data');
    const pending = MIGRATIONS.slice(1).map(({ name }) => name);
    expect(await schemaState(database.url)).toEqual({ pending, unknown: [] });
    await database.drop();
  });
});

/** @returns busy tables on which an index is built that blocks writers */
function blockingIndexes(up: string): string[] {
  const created = [...up.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+)/g)].map(([, table]) => table);
  const indexes = [...up.matchAll(/CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)[^;`]*? ON (\w+)/g)];
  return indexes.map(([, table]) => table).filter((table) => BUSY.includes(table) && !created.includes(table));
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

/** Sources of the migrations after the first, in their order. */
function migrationFiles(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .slice(1);
}

/** What it does on the way up. */
function upOf(name: string): string {
  return readFileSync(new URL(name, FOLDER), 'utf8').split('async down(')[0];
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

describe('a populated database of the first release', () => {
  let database: TestDatabase;
  const ids = { user: newId(), agent: newId(), binary: newId(), task: newId() };

  beforeAll(async () => {
    database = await createEmptyDatabase();
    await migrate(database.url, MIGRATIONS.slice(0, 1));
    await ask(database.url, populate(ids));
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
    const reverted: (string | null)[] = [];
    for (const _ of migrations) reverted.push(await revert(database.url));
    expect(reverted).toEqual([...migrations].reverse());
    expect(await rows()).toEqual(before);
    expect(await migrate(database.url)).toEqual(migrations);
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
  INSERT INTO blobs (ref) VALUES ('local:aa');
  INSERT INTO agents (id, owner_id, slug, name, capabilities, price_micro, active_binary_id)
    VALUES ('${agent}', '${user}', 'my-agent', 'My agent', '{a,b}', 500000, '${binary}');
  INSERT INTO agent_statistics (agent_id) VALUES ('${agent}');
  INSERT INTO agent_binaries (id, agent_id, version, sha256, size, storage_ref, validation, uploaded_by, scan)
    VALUES ('${binary}', '${agent}', '1.0.0', 'aa', 8, 'local:aa', '{}', '${user}', '{"status":"clean"}');
  INSERT INTO tasks (id, user_id, status, priority, required_capabilities, budget_micro, input, timeout_ms, attempt,
                     agent_id, version, cost_micro)
    VALUES ('${task}', '${user}', 'completed', 'normal', '{a}', 1000000, '{"n":1}', 1000, 1, '${agent}', '1.0.0', 500000);
  INSERT INTO task_attempts (task_id, ordinal, agent_id, version, price_micro, outcome, started_at)
    VALUES ('${task}', 1, '${agent}', '1.0.0', 500000, 'completed', now());
  INSERT INTO auctions (task_id, scoreboard) VALUES ('${task}', '{}');
  INSERT INTO task_events (type, task_id, user_id, agent_id, data, result) VALUES
    ('task.queued', '${task}', '${user}', NULL, '{"status":"queued"}', NULL),
    ('task.completed', '${task}', '${user}', '${agent}', '{"agent_id":"${agent}"}', '"\\u0000"');
`;
