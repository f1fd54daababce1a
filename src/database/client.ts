import pg from 'pg';

/** How long a server may take to let a connection in, ms. */
const CONNECT_MS = 10_000;

/**
 * A connection that may break at any time. `pg` tells that as an `error` event, and one that nobody hears ends the process: a
 * pool hears it only while a client is idle, and whoever takes one begins to listen a moment late, when what ends the session may
 * have come in the same packet as what opened it. Nothing is hidden: the query under way is rejected, and each later one.
 *
 * A server that hangs is given up, so that a pool tries again. The wait for a connection of a busy pool has no such limit, which
 * it would have if the pool itself were given one.
 */
export class DatabaseClient extends pg.Client {
  constructor(config: string | pg.ClientConfig = {}) {
    const given = typeof config === 'string' ? { connectionString: config } : config;
    super({ connectionTimeoutMillis: CONNECT_MS, ...given });
    this.on('error', () => undefined);
  }
}
