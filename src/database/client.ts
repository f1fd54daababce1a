import pg from 'pg';

/**
 * A connection that may break at any time. `pg` tells that as an `error` event, and one that nobody hears ends the process: a
 * pool hears it only while a client is idle, and whoever takes one begins to listen a moment late, when what ends the session may
 * have come in the same packet as what opened it. Nothing is hidden: the query under way is rejected, and each later one.
 */
export class DatabaseClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}
