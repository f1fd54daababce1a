import { newId } from '../common/ids.js';
import type { FeedEvent } from '../feed/index.js';

/** Columns that every reader of a webhook needs. */
export const WEBHOOK_COLUMNS = `id, user_id, url, description, event_types, agent_ids, status, disabled_reason, failures,
  last_success_at, previous_until, created_at`;

export interface WebhookRow {
  id: string;
  user_id: string;
  url: string;
  description: string | null;
  event_types: string[];
  agent_ids: string[];
  status: 'active' | 'paused' | 'disabled';
  disabled_reason: string | null;
  failures: number;
  last_success_at: Date | null;
  previous_until: Date | null;
  created_at: Date;
}

/** One request of a delivery, as stored. */
export interface StoredAttempt {
  /** RFC 3339. */
  at: string;
  duration_ms: number;
  /** Status of the answer; null: there was none. */
  status: number | null;
  /** Why it failed: a code of egress, or HTTP_STATUS; null: it was accepted. */
  code: string | null;
}

export interface DeliveryRow {
  id: string;
  seq: string | null;
  type: string;
  task_id: string | null;
  state: 'pending' | 'delivered' | 'failed';
  next_at: Date;
  tries: number;
  attempts: StoredAttempt[];
  created_at: Date;
  ended_at: Date | null;
}

export const DELIVERY_COLUMNS = 'id, seq, type, task_id, state, next_at, tries, attempts, created_at, ended_at';

/** Whether an event passes the filters of a webhook. Empty filters let all pass. */
export const passes = (
  { event_types, agent_ids }: Pick<WebhookRow, 'event_types' | 'agent_ids'>,
  { type, data: { agent_id } }: { type: string; data: Record<string, unknown> },
): boolean =>
  (event_types.length === 0 || event_types.includes(type)) &&
  (agent_ids.length === 0 || agent_ids.some((id) => id === agent_id));

/** A new delivery of an event. */
export const toRow = ({ seq, type, task_id, data: { agent_id } }: FeedEvent) => {
  const id = newId();
  return { id, seq, type, task_id, order_key: task_id ?? agent_id ?? id };
};
