import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { DatabaseClient } from './client.js';

const REOPEN_MS = 1000;

/** A session of PostgreSQL's for one purpose, on a connection of its own, that is opened again whenever it breaks. */
export class LastingSession {
  private client: pg.Client | null = null;
  private closed = false;

  /**
   * @param name what PostgreSQL lists it as
   * @param prepare what makes it the session it is to be; asked at each opening
   */
  constructor(
    private readonly url: string,
    private readonly name: string,
    private readonly prepare: (client: pg.Client) => Promise<unknown>,
    private readonly warnOfOutage: (error: Error) => void,
  ) {}

  /** Tries until it is open, or until it is closed. */
  async open(): Promise<void> {
    while (!this.closed) {
      const client = new DatabaseClient({ connectionString: this.url, application_name: this.name });
      try {
        await client.connect();
        await this.prepare(client);
        if (this.closed) return await client.end();
        this.client = client;
        client.once('end', () => void this.open());
        return;
      } catch (error) {
        this.warnOfOutage(error as Error);
        await client.end().catch(() => undefined);
        await sleep(REOPEN_MS);
      }
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.client?.end().catch(() => undefined);
  }
}
