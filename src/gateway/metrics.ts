import { gauge, tally } from '../observability/index.js';
import type { EventFeed } from './event-feed.service.js';
import type { Hub } from './hub.js';
import type { SocketGateway } from './socket.gateway.js';

export function watchGateway(sockets: SocketGateway, feed: EventFeed, hub: Hub): void {
  gauge('gateway_sockets', 'WebSocket connections.', [], () => sockets.statistics().sockets);
  gauge('gateway_streams', 'Open streams of server-sent events.', [], () => feed.openStreams);
  gauge('gateway_subscriptions', 'Subscriptions, by kind of topic.', ['topic'], () =>
    Object.entries(hub.counts()).map(([topic, value]) => ({ labels: { topic }, value })),
  );
  tally(
    'gateway_events_delivered_total',
    'Events handed to sockets, once per socket.',
    () => sockets.statistics().delivered,
  );
  tally(
    'gateway_lagging_total',
    'How often a socket read too slowly and lost its subscriptions.',
    () => sockets.statistics().lagging,
  );
}
