import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { DatabaseConfig, QueueConfig } from '../config/index.js';
import { DatabaseModule, Sql } from '../database/index.js';
import { PostgresEventStream } from './drivers/postgres-event-stream.js';
import { RedisEventStream } from './drivers/redis-event-stream.js';
import { EventLog } from './event-log.js';
import { EVENT_STREAM, type EventStream } from './event-stream.js';
import { FeedTail } from './feed-tail.js';
import { watchFeed } from './metrics.js';
import { Projector } from './projector.js';
import { SharedLogLevel } from './shared-log-level.js';

@Module({
  imports: [DatabaseModule],
  providers: [
    { provide: EVENT_STREAM, inject: [QueueConfig, DatabaseConfig, Sql], useFactory: chooseEventStream },
    EventLog,
    FeedTail,
    Projector,
    SharedLogLevel,
  ],
  exports: [EVENT_STREAM, EventLog, FeedTail, Projector, SharedLogLevel],
})
export class FeedModule implements OnApplicationShutdown {
  constructor(
    @Inject(EVENT_STREAM) private readonly stream: EventStream,
    log: EventLog,
    tail: FeedTail,
  ) {
    watchFeed(log, tail);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.stream.close();
  }
}

/** Uses the queue's backend: Redis if configured, else the database. */
function chooseEventStream({ redisUrl, prefix }: QueueConfig, { url }: DatabaseConfig, sql: Sql): EventStream {
  const channel = `${prefix}:events`;
  if (redisUrl) return new RedisEventStream(redisUrl, channel);
  return new PostgresEventStream(url, channel, sql);
}
