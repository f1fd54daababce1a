import pg from 'pg';
import { isContention } from '../common/outage.js';
import { DatabaseClient } from './client.js';
import { statementDuration, watchConnections } from './metrics.js';
import type { SessionSettings } from './session-settings.js';

/**
 * The connections of the hot statements: hand-written, named (so PostgreSQL plans each once per connection), and
 * micro-batched by their callers. Few connections are best here, since each carries whole batches; everything else goes
 * through TypeORM's own pool.
 *
 * None may hang: a batch that is never answered holds up all that gather behind it. PostgreSQL ends what takes too long, and then
 * nothing of it was written. When not even that is heard of, the connection is thrown away; as with any that breaks in the
 * middle, what was under way on it may have been committed, or may still be.
 */
export class Sql {
  private readonly pool: pg.Pool;

  constructor(connectionString: string, max = 4) {
    this.pool = new pg.Pool({
      Client: DatabaseClient,
      connectionString,
      max,
      application_name: 'zerostate-hot',
      query_timeout: ANSWERED_WITHIN_MS,
      settings: SETTINGS,
    } as pg.PoolConfig);
    watchConnections('hot', this.pool);
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    this.pool.on('error', () => undefined);
  }

  /** @param name identifies the statement's text: one name, one text */
  async query<Row extends object>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    const stopClock = statementDuration.startTimer({ statement: name });
    for (let tries = 1; ; tries++) {
      try {
        const result = await this.pool.query<Row>({ name, text, values });
        stopClock();
        return result.rows;
      } catch (error) {
        // A statement that PostgreSQL undid is safe to repeat: it is a transaction of its own.
        if (!isContention(error) || tries === TRIES) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

/** How often a statement is tried that others keep from being written. */
const TRIES = 3;

/** Many times what the longest of them takes, with the wait for the feed's lock. */
const STATEMENT_MS = 60_000;
/** Longer, so that a server that is there is the one to say how it ended. */
const ANSWERED_WITHIN_MS = STATEMENT_MS + 10_000;

/**
 * Every hot statement finds its rows by key, a few at a time, however large the table. Left to its estimates, PostgreSQL
 * joins a batch (which it takes for 100 rows) with a table that is still small by reading all of it, and a named statement
 * keeps that plan while the table grows. Compiling such a statement takes many times as long as running it.
 */
const SETTINGS: SessionSettings = {
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
  statement_timeout: String(STATEMENT_MS),
};
