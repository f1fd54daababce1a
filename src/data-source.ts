import { setTimeout as pause } from 'node:timers/promises';
import {
  DataSource,
  type DataSourceOptions,
  type EntitySubscriberInterface,
  EventSubscriber,
  type MigrationInterface,
  type QueryRunner,
} from 'typeorm';
import { Initial1796200000000 } from '../migrations/1796200000000-initial.js';
import { Ledger1796300000000 } from '../migrations/1796300000000-ledger.js';
import { Contracts1796400000000 } from '../migrations/1796400000000-contracts.js';
import { Secrets1796500000000 } from '../migrations/1796500000000-secrets.js';
import { HostCalls1796600000000 } from '../migrations/1796600000000-host-calls.js';
import { Questions1796700000000 } from '../migrations/1796700000000-questions.js';
import { Doors1796800000000 } from '../migrations/1796800000000-doors.js';
import { Queue1796900000000 } from '../migrations/1796900000000-queue.js';
import { Limits1797000000000 } from '../migrations/1797000000000-limits.js';
import { Retries1797100000000 } from '../migrations/1797100000000-retries.js';
import { SubTasks1797200000000 } from '../migrations/1797200000000-sub-tasks.js';
import { Agent, AgentBinary, AgentRating, AgentStatistics } from './agents/index.js';
import { ApiKey, AuditEvent, KnownNetwork, OneTimeToken, Session, User } from './auth/index.js';
import { DatabaseClient, LOCKS, SnakeNaming } from './database/index.js';
import { FeedCursor, FeedEventRow } from './feed/index.js';
import { DependencyFault } from './observability/index.js';
import { StoredBlob } from './storage/index.js';
import { AuctionRecord } from './auction/index.js';
import { IdempotencyKey, Task, TaskAttempt, TaskDocument } from './tasks/index.js';

/** In the order in which they run. */
export const MIGRATIONS: Migrations = [
  Initial1796200000000,
  Ledger1796300000000,
  Contracts1796400000000,
  Secrets1796500000000,
  HostCalls1796600000000,
  Questions1796700000000,
  Doors1796800000000,
  Queue1796900000000,
  Limits1797000000000,
  Retries1797100000000,
  SubTasks1797200000000,
];

type Migrations = readonly (new () => MigrationInterface)[];

/**
 * How TypeORM sees the database: every entity and every migration by name. Shared by the server, the tests and TypeORM's command
 * line (`DATABASE_URL=… npx typeorm migration:generate -d dist/src/data-source.js …`).
 */
export const dataSourceOptions = (url: string, poolSize = 4, migrations = MIGRATIONS): DataSourceOptions => ({
  type: 'postgres',
  url,
  entities: [
    Agent,
    AgentBinary,
    AgentRating,
    AgentStatistics,
    ApiKey,
    AuctionRecord,
    AuditEvent,
    FeedCursor,
    FeedEventRow,
    IdempotencyKey,
    KnownNetwork,
    OneTimeToken,
    Session,
    StoredBlob,
    Task,
    TaskAttempt,
    TaskDocument,
    User,
  ],
  migrations: [...migrations],
  namingStrategy: new SnakeNaming(),
  synchronize: false,
  applicationName: 'zerostate',
  extra: { Client: DatabaseClient },
  poolSize,
});

/**
 * Brings the schema up to date. Several processes may boot at once: an advisory lock lets one migrate and the others find it done.
 * On a live system a migration waits for no lock longer than a moment, since everybody would wait behind it; it tries again.
 * @returns names of the migrations that ran
 */
export const migrate = (url: string, migrations = MIGRATIONS): Promise<string[]> =>
  alone(url, migrations, async (dataSource) => {
    const done = await patiently(() => dataSource.runMigrations({ transaction: 'each' }));
    return done.map((migration) => migration.name);
  });

/**
 * Takes the last migration back, and deletes what it added.
 * @returns its name; null when none has run
 * @throws Error when this build does not know it, or when it is the first: that one holds all data
 */
export const revert = (url: string, migrations = MIGRATIONS): Promise<string | null> =>
  alone(url, migrations, async (dataSource) => {
    const last = (await migrationsDone(dataSource)).at(-1);
    if (!last) return null;
    const own = dataSource.migrations.find((migration) => nameOf(migration) === last);
    if (!own) {
      throw new Error(
        `${last} is a newer release's, and the release before runs on it: only that release can take it back.`,
      );
    }
    if (own === dataSource.migrations[0]) {
      throw new Error(
        `${last} is the first migration: to take it back would delete all data. Drop the database instead.`,
      );
    }
    // Unlike `runMigrations` this does not ask the migration itself whether it wants a transaction.
    const transaction = own.transaction === false ? 'none' : 'each';
    await patiently(() => dataSource.undoLastMigration({ transaction }));
    return last;
  });

/** How a database and this build differ, by the names of migrations. */
export interface SchemaState {
  /** This build has them, and they have not run. */
  pending: string[];
  /** They have run, and this build does not have them: a newer release's. */
  unknown: string[];
}

export async function schemaState(url: string): Promise<SchemaState> {
  const dataSource = await new DataSource(dataSourceOptions(url, 1)).initialize();
  try {
    return await compare(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

/** @throws DependencyFault when this build knows migrations that the database lacks, as after one was taken back under it */
export async function assertMigrated(dataSource: DataSource): Promise<void> {
  const { pending } = await compare(dataSource);
  if (pending.length > 0) throw new DependencyFault(`${pending.length} migrations have not run: npm run db:migrate`);
}

async function compare(dataSource: DataSource): Promise<SchemaState> {
  const done = await migrationsDone(dataSource);
  const known = dataSource.migrations.map(nameOf);
  return {
    pending: known.filter((name) => !done.includes(name)),
    unknown: done.filter((name) => !known.includes(name)),
  };
}

/** In the order in which they have run; none in a database that was never migrated. */
async function migrationsDone(dataSource: DataSource): Promise<string[]> {
  const [{ migrated }] = await dataSource.query(`SELECT to_regclass('migrations') IS NOT NULL AS migrated`);
  if (!migrated) return [];
  const rows: { name: string }[] = await dataSource.query('SELECT name FROM migrations ORDER BY id');
  return rows.map(({ name }) => name);
}

const nameOf = ({ name, constructor }: MigrationInterface): string => name ?? constructor.name;

/**
 * `CREATE INDEX CONCURRENTLY` waits until every older snapshot is gone, which PostgreSQL counts as waiting for a lock. A backup may hold
 * one for hours, and nobody waits behind the statement meanwhile: it has all the time it takes.
 */
@EventSubscriber()
class ConcurrentlyPatient implements EntitySubscriberInterface {
  async beforeQuery({ query, queryRunner }: { query: string; queryRunner: QueryRunner }): Promise<void> {
    if (CONCURRENTLY.test(query)) await queryRunner.query('SET lock_timeout = 0');
  }

  async afterQuery({ query, queryRunner }: { query: string; queryRunner: QueryRunner }): Promise<void> {
    if (CONCURRENTLY.test(query)) await queryRunner.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
  }
}

const CONCURRENTLY = /\bINDEX CONCURRENTLY\b/;

/** Changes of the schema run one after the other, from all processes. */
async function alone<T>(url: string, migrations: Migrations, work: (dataSource: DataSource) => Promise<T>): Promise<T> {
  const options = dataSourceOptions(url, 2, migrations);
  const extra = { ...options.extra, settings: { lock_timeout: String(LOCK_TIMEOUT_MS) } };
  const dataSource = await new DataSource({
    ...options,
    extra,
    subscribers: [ConcurrentlyPatient],
  } as DataSourceOptions).initialize();
  const guard = dataSource.createQueryRunner();
  try {
    await takeTurn(guard);
    return await work(dataSource);
  } finally {
    await guard.query('SELECT pg_advisory_unlock($1)', [LOCKS.migrations]).catch(() => undefined);
    await guard.release();
    await dataSource.destroy();
  }
}

/**
 * Asks again and again instead of waiting in one statement, whose snapshot `CREATE INDEX CONCURRENTLY` of the one whose turn it is
 * would wait for.
 */
async function takeTurn(guard: QueryRunner): Promise<void> {
  for (; ; await pause(TURN_POLL_MS)) {
    const [{ mine }] = await guard.query('SELECT pg_try_advisory_lock($1) AS mine', [LOCKS.migrations]);
    if (mine) return;
  }
}

/** Tries again when a lock was not to be had in time. */
async function patiently<T>(change: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await change();
    } catch (error) {
      const { code } = (error as { driverError?: { code?: string } }).driverError ?? {};
      if (code !== LOCK_NOT_AVAILABLE || attempt === LOCK_ATTEMPTS) throw error;
      await pause(attempt * LOCK_TIMEOUT_MS);
    }
  }
}

const TURN_POLL_MS = 100;
const LOCK_TIMEOUT_MS = 3000;
const LOCK_ATTEMPTS = 10;
const LOCK_NOT_AVAILABLE = '55P03';

export default new DataSource(dataSourceOptions(process.env.DATABASE_URL ?? ''));
