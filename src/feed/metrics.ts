import { gauge, histogram, shared } from '../observability/index.js';
import type { EventLog } from './event-log.js';
import type { FeedEvent } from './feed-event.js';

const delivery = histogram(
  'feed_delivery_seconds',
  "Age of an event when this process hands it on, by the database's clock and this machine's.",
);

export function countDelivery(events: FeedEvent[]): void {
  const now = Date.now();
  for (const { at } of events) delivery.observe(Math.max(0, now - Date.parse(at)) / 1000);
}

/** @param tail this process's place in the feed; `following`: whether it has listeners */
export function watchFeed(log: EventLog, tail: { readonly following: boolean; readonly position: number }): void {
  const end = shared(() => log.lastSeq());
  gauge('feed_last_seq', 'Number (seq) of the newest event of the feed.', [], end);
  gauge('feed_lag_events', 'How many events this process has yet to pass on; none without listeners.', [], async () =>
    tail.following ? Math.max(0, (await end()) - tail.position) : 0,
  );
  gauge(
    'projection_lag_events',
    'How many events a table derived from the feed is behind.',
    ['projection'],
    async () => {
      const [cursors, last] = await Promise.all([log.projections(), end()]);
      return cursors.map(({ projection, seq }) => ({ labels: { projection }, value: Math.max(0, last - seq) }));
    },
  );
}
