import { DataSource, type DataSourceOptions } from 'typeorm';
import { Init1795449600000 } from '../migrations/1795449600000-init.js';
import { Blobs1795482000000 } from '../migrations/1795482000000-blobs.js';
import { AgentBinaryScan1795483000000 } from '../migrations/1795483000000-agent-binary-scan.js';
import { Submission1795485000000 } from '../migrations/1795485000000-submission.js';
import { FairQueue1795485100000 } from '../migrations/1795485100000-fair-queue.js';
import { TaskLimits1795486000000 } from '../migrations/1795486000000-task-limits.js';
import { AgentFeed1795487000000 } from '../migrations/1795487000000-agent-feed.js';
import { Accounts1795488000000 } from '../migrations/1795488000000-accounts.js';
import { Agent, AgentBinary, AgentStatistics, VersionBlob } from './agents/index.js';
import { ApiKey, AuditEvent, Session, User } from './auth/index.js';
import { SnakeNaming } from './database/index.js';
import { FeedCursor, FeedEventRow } from './feed/index.js';
import { AuctionRecord, IdempotencyKey, Task, TaskAttempt } from './tasks/index.js';

/**
 * How TypeORM sees the database: every entity and every migration by name. Shared by the server, the tests and TypeORM's command
 * line (`DATABASE_URL=… npx typeorm migration:generate -d dist/src/data-source.js …`).
 */
export const dataSourceOptions = (url: string, poolSize = 4): DataSourceOptions => ({
  type: 'postgres',
  url,
  entities: [
    Agent,
    AgentBinary,
    AgentStatistics,
    ApiKey,
    AuctionRecord,
    AuditEvent,
    FeedCursor,
    FeedEventRow,
    IdempotencyKey,
    Session,
    Task,
    TaskAttempt,
    User,
    VersionBlob,
  ],
  migrations: [
    Init1795449600000,
    Blobs1795482000000,
    AgentBinaryScan1795483000000,
    Submission1795485000000,
    FairQueue1795485100000,
    TaskLimits1795486000000,
    AgentFeed1795487000000,
    Accounts1795488000000,
  ],
  namingStrategy: new SnakeNaming(),
  synchronize: false,
  applicationName: 'zerostate',
  poolSize,
});

/**
 * Brings the schema up to date. Several processes may boot at once: an advisory lock lets one migrate and the others find it done.
 * @returns names of the migrations that ran
 */
export async function migrate(url: string): Promise<string[]> {
  const dataSource = await new DataSource(dataSourceOptions(url, 2)).initialize();
  const guard = dataSource.createQueryRunner();
  try {
    await guard.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const migrations = await dataSource.runMigrations({ transaction: 'each' });
    await guard.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    return migrations.map((migration) => migration.name);
  } finally {
    await guard.release();
    await dataSource.destroy();
  }
}

const MIGRATION_LOCK = 7305449118;

export default new DataSource(dataSourceOptions(process.env.DATABASE_URL ?? ''));
