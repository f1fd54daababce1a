import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { outageLog } from '../../observability/index.js';
import type { EventStream, FeedNotice } from '../event-stream.js';

/**
 * Notifies over Redis pub/sub. ioredis reconnects and subscribes again by itself; polling covers lost notifications.
 */
export class RedisEventStream implements EventStream {
  private readonly listeners = new Set<(notice: FeedNotice) => void>();
  private readonly publisher: Redis;
  private readonly subscriber: Redis;
  private readonly subscribed: Promise<unknown>;

  constructor(
    url: string,
    private readonly channel: string,
  ) {
    // A publisher without an offline queue fails at once while Redis is away, instead of piling up notifications.
    this.publisher = new Redis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 1, lazyConnect: true });
    this.subscriber = new Redis(url, { maxRetriesPerRequest: null });
    const warnOfOutage = outageLog(new Logger('Feed'), 'events are only polled, Redis is away');
    for (const connection of [this.publisher, this.subscriber]) connection.on('error', warnOfOutage);
    this.publisher.connect().catch(() => undefined);
    this.subscriber.on('message', (_channel, text: string) => {
      const notice = JSON.parse(text) as FeedNotice;
      for (const listener of this.listeners) listener(notice);
    });
    this.subscribed = this.subscriber.subscribe(channel);
    // Fails only if the stream is closed before Redis answers; `ready` passes that on to its callers.
    this.subscribed.catch(() => undefined);
  }

  async publish(notice: FeedNotice): Promise<void> {
    await this.publisher.publish(this.channel, JSON.stringify(notice));
  }

  subscribe(listener: (notice: FeedNotice) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async ready(): Promise<void> {
    await this.subscribed;
  }

  async close(): Promise<void> {
    this.listeners.clear();
    this.publisher.disconnect();
    this.subscriber.disconnect();
  }
}
