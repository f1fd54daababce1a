import { Logger } from '@nestjs/common';
import { LongLivedSession, type Sql } from '../../database/index.js';
import { outageLog } from '../../observability/index.js';
import type { EventStream, FeedNotice } from '../event-stream.js';

/** Notifies over LISTEN/NOTIFY: one long-lived session listens; notifications go out over the hot pool. */
export class PostgresEventStream implements EventStream {
  private readonly listeners = new Set<(notice: FeedNotice) => void>();
  private readonly session: LongLivedSession;
  private readonly listening: Promise<void>;

  constructor(
    url: string,
    private readonly channel: string,
    private readonly sql: Sql,
  ) {
    this.session = new LongLivedSession(
      url,
      'zerostate-feed',
      (client) => {
        client.on('notification', ({ payload }) => {
          const notice = JSON.parse(payload ?? '') as FeedNotice;
          for (const listener of this.listeners) listener(notice);
        });
        return client.query(`LISTEN ${client.escapeIdentifier(this.channel)}`);
      },
      outageLog(new Logger('Feed'), 'events are only polled, PostgreSQL does not let us listen'),
    );
    this.listening = this.session.open();
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
    this.listeners.clear();
    await this.session.close();
  }
}
