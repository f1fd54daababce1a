import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { outageLog } from '../observability/index.js';
import { EventLog } from './event-log.js';
import { EVENT_STREAM, type EventStream } from './event-stream.js';
import type { FeedEvent } from './feed-event.js';
import { countDelivery } from './metrics.js';

const BATCH = 1000;
/** How long an event may stay unseen if its notification was lost, ms. */
const POLL_MS = 1000;

/** Is handed events in order. */
export interface FeedListener {
  deliver(events: FeedEvent[]): void;
  /** Whether anybody waits for events. While no listener wants any, the tail passes them by unread. */
  wants(): boolean;
}

/**
 * Follows the end of the feed for this process. Every listener gets each event once, in order, from the moment on that it
 * wants some. Reads the table on notification, and polls it once a second. Idle until the first listener.
 */
@Injectable()
export class FeedTail implements OnApplicationShutdown {
  private readonly warnOfOutage = outageLog(new Logger('Feed'), 'the feed cannot be read');
  private readonly listeners = new Set<FeedListener>();
  private cursor = 0;
  private started: Promise<void> | null = null;
  private reading = false;
  private rung = false;
  private stop: () => void = () => undefined;

  constructor(
    private readonly log: EventLog,
    @Inject(EVENT_STREAM) private readonly stream: EventStream,
  ) {}

  /** Resolves once every later event will reach the listener, if it wants events by then. */
  async follow(listener: FeedListener): Promise<void> {
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

  /** Every event up to here has been passed to the listeners that wanted it. */
  get position(): number {
    return this.cursor;
  }

  onApplicationShutdown(): void {
    this.stop();
  }

  private async start(): Promise<void> {
    this.cursor = await this.log.lastSeq();
    const unsubscribe = this.stream.subscribe((notice) => {
      if (notice.seq <= this.cursor) return;
      if (this.isWanted) this.ring();
      else this.cursor = notice.seq;
    });
    const clock = setInterval(() => (this.isWanted ? this.ring() : void this.passBy()), POLL_MS);
    this.stop = () => {
      clearInterval(clock);
      unsubscribe();
      this.listeners.clear();
    };
  }

  private get isWanted(): boolean {
    return [...this.listeners].some((listener) => listener.wants());
  }

  /** Moves to the end of the feed, for notifications that were lost. */
  private async passBy(): Promise<void> {
    try {
      const last = await this.log.lastSeq();
      // A listener that wants events since then must not miss those that came meanwhile.
      if (!this.isWanted) this.cursor = Math.max(this.cursor, last);
    } catch (error) {
      this.warnOfOutage(error as Error);
    }
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
        this.cursor = Math.max(this.cursor, events[events.length - 1].seq);
        for (const listener of this.listeners) listener.deliver(events);
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
