import type { EventType } from './feed-event.js';

/**
 * PORT: the doorbell between processes. It says that the feed has grown; the events themselves are read from the table,
 * which alone decides order and completeness.
 *
 * Delivery is at most once and in no particular order: a lost ring costs latency, never an event, since every reader
 * also looks at the table on a slow clock. Not part of the port: storing, ordering, filtering, replaying.
 */
export interface EventStream {
  /** Rings in every process, this one included. @throws when the backend is away; callers may ignore that */
  publish(notice: FeedNotice): Promise<void>;

  /** @returns ends the subscription */
  subscribe(listener: (notice: FeedNotice) => void): () => void;

  /** Resolves once rings from other processes arrive. */
  ready(): Promise<void>;

  close(): Promise<void>;
}

export interface FeedNotice {
  /** The feed has been committed up to here. */
  seq: number;
  /** Events other processes act upon at once, before they have read the feed; at most `MAX_SIGNALS`. */
  signals: FeedSignal[];
}

/** What is told without being part of the feed: nothing a subscriber would follow, but every process must heed at once. */
export type SilentSignal = 'session.revoked' | 'user.changed' | 'api_key.revoked' | 'log_level.changed';

export interface FeedSignal {
  type: EventType | SilentSignal;
  /** The task for `task.*`, the agent for `agent.*`, the session, user or key of a revocation; `<process> <level>` for `log_level.changed`. */
  id: string;
}

/** Keeps a notice below the 8,000 bytes of a PostgreSQL notification. */
export const MAX_SIGNALS = 80;

export const EVENT_STREAM = Symbol('EventStream');
