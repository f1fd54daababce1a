import type { EventType } from './feed-event.js';

/**
 * PORT: notifications between processes. A notification says that the feed has grown. The events themselves are read
 * from the table, which alone decides order and completeness.
 *
 * Delivery is at most once and in no particular order. A lost notification costs latency, never an event, because every
 * reader also polls the table. Not part of the port: storing, ordering, filtering, replaying.
 */
export interface EventStream {
  /** Notifies every process, including this one. @throws when the backend is away; callers may ignore that */
  publish(notice: FeedNotice): Promise<void>;

  /** @returns a function that ends the subscription */
  subscribe(listener: (notice: FeedNotice) => void): () => void;

  /** Resolves once notifications from other processes arrive. */
  ready(): Promise<void>;

  close(): Promise<void>;
}

export interface FeedNotice {
  /** The feed has been committed up to here. */
  seq: number;
  /** Events that other processes act on at once, before they read the feed; at most `MAX_SIGNALS`. */
  signals: FeedSignal[];
}

/** A notice outside the feed: no subscriber follows it, but every process must act on it at once. */
export type SilentSignal = 'session.revoked' | 'user.changed' | 'api_key.revoked' | 'log_level.changed';

export interface FeedSignal {
  type: EventType | SilentSignal;
  /** The task for `task.*`, the agent for `agent.*`, the session, user or key of a revocation; `<process> <level>` for `log_level.changed`. */
  id: string;
}

/** Keeps a notice below the 8,000 bytes of a PostgreSQL notification. */
export const MAX_SIGNALS = 80;

export const EVENT_STREAM = Symbol('EventStream');
