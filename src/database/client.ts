import pg from 'pg';
import { type SessionSettings, settingStatements, splitOptions } from './session-settings.js';

/** How long a server may take to let a connection in, ms. */
const CONNECT_MS = 10_000;
/** How long a connection may be silent before the kernel asks whether the other machine is still there, ms. */
const SILENT_MS = 10_000;

export interface DatabaseClientConfig extends pg.ClientConfig {
  /** What this connection's purpose needs on top of what every session has. */
  settings?: SessionSettings;
}

/**
 * The connection that everything here uses. Once it is open, its session has the settings that the code relies on.
 *
 * It may break at any time. `pg` reports that as an `error` event, and one without a listener ends the process. A pool
 * listens only while a client is idle, and its borrower begins a moment late: the message that ends the session may
 * come in the packet that opened it. Nothing is hidden: the query under way is rejected, and each later one.
 *
 * A server that does not answer is given up, so that a pool tries again. The wait for a connection of a busy pool has
 * no such limit, which it would have if the pool itself were given one.
 *
 * A machine that vanishes sends nothing, and a query would wait for its answer for ever. So the kernel sends keepalive
 * probes, and breaks the connection when ten of them, a second apart, were not answered.
 */
export class DatabaseClient extends pg.Client {
  private readonly setUp: string;

  constructor(config: string | DatabaseClientConfig = {}) {
    const given = typeof config === 'string' ? { connectionString: config } : config;
    super({
      ...given,
      // TypeORM names it and leaves it undefined.
      connectionTimeoutMillis: given.connectionTimeoutMillis ?? CONNECT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: SILENT_MS,
    });
    this.on('error', () => undefined);
    const { connectionParameters } = this as unknown as { connectionParameters: StartParameters };
    const { settings, rest } = splitOptions(connectionParameters.options ?? '');
    // PgBouncer refuses a start packet with any of these.
    Object.assign(connectionParameters, { ...NO_TIMEOUTS, options: rest || undefined });
    this.setUp = settingStatements(settings, given.settings ?? {});
  }

  override connect(): Promise<this>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<this> | void {
    const connected = this.open();
    if (!callback) return connected;
    connected.then(() => callback(null as unknown as Error), callback);
  }

  private async open(): Promise<this> {
    await super.connect();
    try {
      await this.query({ text: this.setUp, query_timeout: CONNECT_MS } as pg.QueryConfig);
      return this;
    } catch (error) {
      void this.end().catch(() => undefined);
      throw error;
    }
  }
}

/** What `pg` would put into the start packet. */
interface StartParameters {
  options?: string;
}

const NO_TIMEOUTS = {
  statement_timeout: undefined,
  lock_timeout: undefined,
  idle_in_transaction_session_timeout: undefined,
};
