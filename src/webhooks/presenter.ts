import type { DeliveryRow, WebhookRow } from './webhook-row.js';
import type { DeliveryDto, WebhookDto } from './webhooks.dto.js';

/** `webhook-id` of a delivery. */
export const messageId = (deliveryId: string): string => `msg_${deliveryId.replaceAll('-', '')}`;

export const presentWebhook = (row: WebhookRow, now = Date.now()): WebhookDto => ({
  id: row.id,
  url: row.url,
  events: row.event_types,
  agents: row.agent_ids,
  description: row.description,
  status: row.status,
  disabled_reason: row.disabled_reason,
  failures: row.failures,
  last_success_at: row.last_success_at?.toISOString() ?? null,
  previous_secret_until:
    row.previous_until && row.previous_until.getTime() > now ? row.previous_until.toISOString() : null,
  created_at: row.created_at.toISOString(),
});

export const presentDelivery = (row: DeliveryRow): DeliveryDto => ({
  id: row.id,
  message_id: messageId(row.id),
  seq: row.seq === null ? null : Number(row.seq),
  type: row.type,
  task_id: row.task_id,
  state: row.state,
  attempts: row.attempts,
  next_attempt_at: row.state === 'pending' ? row.next_at.toISOString() : null,
  created_at: row.created_at.toISOString(),
  ended_at: row.ended_at?.toISOString() ?? null,
});
