import type pg from 'pg';
import { backOff } from '../common/backoff.js';
import { DatabaseClient } from './client.js';

/** The longest pause before a session is opened again, ms. Other processes soon take one without a session for dead. */
const LONGEST_PAUSE_MS = 3000;
/** A session that lasts this long works: the next pause is a short one again, ms. */
const PROVEN_MS = 10_000;

/** A session of PostgreSQL for one purpose, on its own connection. It is opened again, after a pause, whenever it ends. */
export class LongLivedSession {
  private readonly closing = new AbortController();
  private client: pg.Client | null = null;
  private pauses = 0;

  /**
   * @param name what PostgreSQL lists it as
   * @param prepare what the session needs before it serves its purpose; runs at each opening
   */
  constructor(
    private readonly url: string,
    private readonly name: string,
    private readonly prepare: (client: pg.Client) => Promise<unknown>,
    private readonly warnOfOutage: (error: Error) => void,
  ) {}

  /** Tries until it is open, or until it is closed. */
  async open(): Promise<void> {
    while (!this.closing.signal.aborted && !(await this.tryToOpen())) await this.pause();
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.client?.end().catch(() => undefined);
  }

  private async tryToOpen(): Promise<boolean> {
    const client = new DatabaseClient({ connectionString: this.url, application_name: this.name });
    try {
      await client.connect();
      await this.prepare(client);
    } catch (error) {
      this.warnOfOutage(error as Error);
      await client.end().catch(() => undefined);
      return false;
    }
    if (this.closing.signal.aborted) {
      await client.end();
      return true;
    }
    this.client = client;
    const openedAt = performance.now();
    client.once('end', () => void this.reopen(openedAt));
    return true;
  }

  /** Others may end each session as soon as it opens, so success alone does not shorten the pause. */
  private async reopen(openedAt: number): Promise<void> {
    if (performance.now() - openedAt > PROVEN_MS) this.pauses = 0;
    await this.pause();
    await this.open();
  }

  private pause(): Promise<void> {
    return backOff(++this.pauses, LONGEST_PAUSE_MS, this.closing.signal);
  }
}
