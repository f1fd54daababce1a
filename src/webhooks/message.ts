import { stringify } from '../common/raw-json.js';
import type { FeedEvent } from '../feed/index.js';

/** Most bytes of a body. */
export const MAX_BODY_BYTES = 256 * 1024;

/** Members of an event's data that a shortened message keeps. */
const KEPT = ['status', 'agent_id', 'version', 'attempt', 'reason', 'cost'];

/**
 * The body of a delivery: the event as the feed shows it. A larger one loses its result first, then most of its data, and says
 * so by `truncated`.
 * @param event as its reader may see it
 */
export function messageOf(event: FeedEvent): Buffer {
  for (const shorter of [event, withoutResult(event), onlyKept(event)]) {
    const body = Buffer.from(stringify({ type: event.type, timestamp: event.at, data: shorter }));
    if (body.length <= MAX_BODY_BYTES) return body;
  }
  const { seq, type, task_id, at } = event;
  return Buffer.from(stringify({ type, timestamp: at, data: { seq, type, task_id, data: { truncated: true }, at } }));
}

/** The body of a test delivery. */
export const pingMessage = (webhookId: string, at: Date): Buffer =>
  Buffer.from(JSON.stringify({ type: 'webhook.ping', timestamp: at.toISOString(), data: { webhook_id: webhookId } }));

function withoutResult(event: FeedEvent): FeedEvent {
  const { result: _, ...data } = event.data;
  return { ...event, data: { ...data, truncated: true } };
}

const onlyKept = (event: FeedEvent): FeedEvent => ({
  ...event,
  data: {
    ...Object.fromEntries(Object.entries(event.data).filter(([name]) => KEPT.includes(name))),
    truncated: true,
  },
});
