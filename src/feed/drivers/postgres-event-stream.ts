import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import pg from 'pg';
import type { Sql } from '../../database/index.js';
import { outageLog } from '../../observability/index.js';
import type { EventStream, FeedNotice } from '../event-stream.js';

const RECONNECT_MS = 1000;

/** Rings over LISTEN/NOTIFY: one connection listens and is opened again when it breaks; rings go out over the hot pool. */
export class PostgresEventStream implements EventStream {
  private readonly warnOfOutage = outageLog(
    new Logger('Feed'),
    'events are only polled, PostgreSQL does not let us listen',
  );
  private readonly listeners = new Set<(notice: FeedNotice) => void>();
  private readonly listening: Promise<void>;
  private client: pg.Client | null = null;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly channel: string,
    private readonly sql: Sql,
  ) {
    this.listening = this.listen();
  }

  async publish(notice: FeedNotice): Promise<void> {
    await this.sql.query('feed-notify', 'SELECT pg_notify($1, $2)', [this.channel, JSON.stringify(notice)]);
  }

  subscribe(listener: (notice: FeedNotice) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  ready(): Promise<void> {
    return this.listening;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.listeners.clear();
    await this.client?.end().catch(() => undefined);
  }

  /** Tries until it listens, or until the stream is closed. */
  private async listen(): Promise<void> {
    while (!this.closed) {
      const client = new pg.Client({ connectionString: this.url, keepAlive: true, application_name: 'zerostate-feed' });
      client.on('error', () => undefined); // `end` follows
      client.on('notification', ({ payload }) => {
        const notice = JSON.parse(payload ?? '') as FeedNotice;
        for (const listener of this.listeners) listener(notice);
      });
      try {
        await client.connect();
        await client.query(`LISTEN ${client.escapeIdentifier(this.channel)}`);
        if (this.closed) return await client.end();
        this.client = client;
        client.once('end', () => void this.listen());
        return;
      } catch (error) {
        this.warnOfOutage(error as Error);
        await client.end().catch(() => undefined);
        await sleep(RECONNECT_MS);
      }
    }
  }
}
