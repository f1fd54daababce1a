import {
  assertSchemaCompatibility,
  type BackendFactory,
  LATEST_SCHEMA_VERSION,
  PostgresConnection,
  PostgresQueueBackend,
  quoteSchemaName,
  runMigrations,
  SchemaMigrationRequiredError,
  SchemaVersionMismatchError,
} from 'bullmq';
import pg from 'pg';
import { isContention, isOutage, lacksPrivilege } from '../../../common/outage.js';
import { Refusal } from '../../../common/refusal.js';
import { DatabaseClient, type SessionSettings } from '../../../database/index.js';
import type { Caution, QueueServer } from '../../queue-server.js';

/** Connections for the statements of a queue, and those of a worker beside the one on which it listens. */
const CONNECTIONS = 4;

/** The schema of the queue with this prefix. */
export const schemaOf = (prefix: string): string => `${prefix.replaceAll('-', '_')}_queue`;

/** BullMQ's own backend on PostgreSQL, in a schema that is named after the prefix. */
export class PostgresQueueServer implements QueueServer {
  private readonly schema: string;
  private prepared?: Promise<Caution[]>;

  constructor(
    private readonly url: string,
    prefix: string,
  ) {
    this.schema = schemaOf(prefix);
  }

  prepare(): Promise<Caution[]> {
    const prepare = async (): Promise<Caution[]> => {
      await this.migrate().catch((error: Error) => Promise.reject(this.explained(error)));
      return [];
    };
    // A failure is forgotten, so that the next caller tries again.
    this.prepared ??= prepare().catch((error: Error) => {
      this.prepared = undefined;
      throw error;
    });
    return this.prepared;
  }

  /** Its queries say themselves what they cannot do. */
  async check(): Promise<void> {
    await this.prepare();
  }

  async close(): Promise<void> {}

  readonly createBackend: BackendFactory = (name, opts, { withBlockingConnection = false } = {}) => {
    const pool = new pg.Pool({
      ...this.clientConfig(),
      Client: DatabaseClient,
      max: CONNECTIONS + Number(withBlockingConnection),
    } as pg.PoolConfig);
    const connection = new QueueConnection(pool, this);
    return new QueueBackend(connection, name, opts as never, true, withBlockingConnection ? name : undefined);
  };

  private clientConfig(): pg.ClientConfig & { settings: SessionSettings } {
    return {
      connectionString: this.url,
      application_name: 'zerostate-queue',
      // A crash of the database may lose entries, and the sweeper restores them. So no write here waits for the disk.
      settings: { search_path: quoteSchemaName(this.schema), synchronous_commit: 'off' },
    };
  }

  /** A schema that is up to date is used as it is, which needs no right to change it. */
  private async migrate(): Promise<void> {
    const client = new DatabaseClient(this.clientConfig());
    try {
      await client.connect();
      const session = client as unknown as Parameters<typeof runMigrations>[0];
      const version = await assertSchemaCompatibility(session, this.schema).catch((error: Error) => {
        if (error instanceof SchemaMigrationRequiredError) return 0;
        throw error;
      });
      if (version < LATEST_SCHEMA_VERSION) await runMigrations(session, this.schema);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  private explained(error: Error): Error {
    if (isOutage(error) || isContention(error)) return error;
    if (error instanceof SchemaVersionMismatchError) {
      return new Refusal(
        `The queue's schema ${this.schema} belongs to a newer release.`,
        'Start that release, or set QUEUE_PREFIX to use another schema.',
        { cause: error },
      );
    }
    if (lacksPrivilege(error)) {
      const { pathname, username } = new URL(this.url);
      const role = username || 'this role';
      return new Refusal(
        `The database role ${role} may not make or use the queue's schema ${this.schema}: ${error.message}.`,
        `As the database's owner: GRANT CREATE ON DATABASE "${pathname.slice(1)}" TO ${role}; a schema that another role made must be owned by ${role}.`,
        { cause: error },
      );
    }
    return new Refusal(
      `The queue cannot be set up on PostgreSQL: ${error.message}.`,
      'See docs/deployment.md for what it needs.',
      { cause: error },
    );
  }
}

/** BullMQ's connection over a pool of our own, whose readiness may fail and be tried again. */
class QueueConnection extends PostgresConnection {
  private ended?: Promise<void>;

  constructor(
    private readonly sessions: pg.Pool,
    private readonly server: PostgresQueueServer,
  ) {
    super(sessions as never);
  }

  override async waitUntilReady(): Promise<void> {
    await this.server.prepare();
  }

  override async close(): Promise<void> {
    await super.close();
    this.ended ??= this.sessions.end();
    await this.ended;
  }
}

/** BullMQ's backend keeps a failed readiness for ever, and waits for it before it completes an entry. */
class QueueBackend extends PostgresQueueBackend {
  /** Seconds. After an outage the worker waits this long for an entry, and its first look may have failed: not an hour. */
  override get maximumBlockTimeout(): number {
    return 10;
  }

  override async waitUntilReady(): Promise<void> {
    try {
      await super.waitUntilReady();
    } catch (error) {
      (this as unknown as { readyPromise?: Promise<void> }).readyPromise = undefined;
      throw error;
    }
  }
}
