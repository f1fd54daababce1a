export { agentOf, EventLog, LOCK_FEED } from './event-log.js';
export { EVENT_STREAM, type EventStream, type FeedNotice } from './event-stream.js';
export { FeedModule } from './feed.module.js';
export { EVENT_TYPES, FeedEvent, type EventType, type NewFeedEvent } from './feed-event.js';
export { FeedEventRow } from './feed-event.entity.js';
export { FeedTail } from './feed-tail.js';
export { FeedCursor } from './feed-cursor.entity.js';
export { Projector } from './projector.js';
export { SharedLogLevel } from './shared-log-level.js';
