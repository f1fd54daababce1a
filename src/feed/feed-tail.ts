import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { outageLog } from '../observability/index.js';
import { EventLog } from './event-log.js';
import { EVENT_STREAM, type EventStream } from './event-stream.js';
import type { FeedEvent } from './feed-event.js';
import { countDelivery } from './metrics.js';

const BATCH = 1000;
/** How long an event may stay unseen if its notification was lost, ms. */
const POLL_MS = 1000;

/**
 * Follows the end of the feed for this process. Every listener gets each event once, in order. Reads the table on
 * notification, and polls it once a second. Idle until the first listener.
 */
@Injectable()
export class FeedTail implements OnApplicationShutdown {
  private readonly warnOfOutage = outageLog(new Logger('Feed'), 'the feed cannot be read');
  private readonly listeners = new Set<(events: FeedEvent[]) => void>();
  private cursor = 0;
  private started: Promise<void> | null = null;
  private reading = false;
  private rung = false;
  private stop: () => void = () => undefined;

  constructor(
    private readonly log: EventLog,
    @Inject(EVENT_STREAM) private readonly stream: EventStream,
  ) {}

  /** Resolves once every later event will reach the listener. */
  async follow(listener: (events: FeedEvent[]) => void): Promise<void> {
    this.listeners.add(listener);
    this.started ??= this.start();
    try {
      await this.started;
    } catch (error) {
      // The next listener starts it again.
      this.started = null;
      this.listeners.delete(listener);
      throw error;
    }
  }

  /** Whether there are listeners. */
  get following(): boolean {
    return this.listeners.size > 0;
  }

  /** Every event up to here has been passed to the listeners. */
  get position(): number {
    return this.cursor;
  }

  onApplicationShutdown(): void {
    this.stop();
  }

  private async start(): Promise<void> {
    this.cursor = await this.log.lastSeq();
    const unsubscribe = this.stream.subscribe((notice) => {
      if (notice.seq > this.cursor) this.ring();
    });
    const clock = setInterval(() => this.ring(), POLL_MS);
    this.stop = () => {
      clearInterval(clock);
      unsubscribe();
      this.listeners.clear();
    };
  }

  private ring(): void {
    this.rung = true;
    if (!this.reading) void this.readOn();
  }

  private async readOn(): Promise<void> {
    this.reading = true;
    try {
      while (this.rung && this.listeners.size > 0) {
        this.rung = false;
        const events = await this.log.readAfter(this.cursor, BATCH);
        if (events.length === 0) continue;
        this.cursor = events[events.length - 1].seq;
        for (const listener of this.listeners) listener(events);
        countDelivery(events);
        if (events.length === BATCH) this.rung = true;
      }
    } catch (error) {
      this.warnOfOutage(error as Error);
    } finally {
      this.reading = false;
    }
  }
}
