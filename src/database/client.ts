import pg from 'pg';

/** How long a server may take to let a connection in, ms. */
const CONNECT_MS = 10_000;
/** How long a connection may be silent before the kernel asks whether the other machine is still there, ms. */
const SILENT_MS = 10_000;

/**
 * A connection that may break at any time. `pg` tells that as an `error` event, and one that nobody hears ends the process: a
 * pool hears it only while a client is idle, and whoever takes one begins to listen a moment late, when what ends the session may
 * have come in the same packet as what opened it. Nothing is hidden: the query under way is rejected, and each later one.
 *
 * A server that hangs is given up, so that a pool tries again. The wait for a connection of a busy pool has no such limit, which
 * it would have if the pool itself were given one.
 *
 * A machine that vanishes says nothing, and whoever waits for its answer would wait for ever: the kernel is told to ask after it. It
 * breaks the connection when ten questions, a second apart, were not answered.
 */
export class DatabaseClient extends pg.Client {
  constructor(config: string | pg.ClientConfig = {}) {
    const given = typeof config === 'string' ? { connectionString: config } : config;
    super({
      ...given,
      // TypeORM names it and leaves it undefined.
      connectionTimeoutMillis: given.connectionTimeoutMillis ?? CONNECT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: SILENT_MS,
    });
    this.on('error', () => undefined);
  }
}
