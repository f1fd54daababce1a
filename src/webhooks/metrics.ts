import type { DataSource } from 'typeorm';
import { counters, gauge, histogram, SLOW_SECONDS } from '../observability/index.js';

/** How a request to a webhook ended. `refused`: egress sent nothing. */
export const requests = counters('webhook_requests_total', 'Requests to webhooks, by how they ended.', {
  outcome: ['delivered', 'failed', 'refused'],
});

export const requestDuration = histogram(
  'webhook_request_duration_seconds',
  'Time of one request to a webhook.',
  [],
  SLOW_SECONDS,
);

export const disabled = counters('webhooks_disabled_total', 'Webhooks that were disabled, by why.', {
  reason: ['failing', 'gone', 'secret_unreadable'],
});

export function watchWebhooks(database: DataSource): void {
  gauge('webhook_deliveries_pending', 'Deliveries that wait for a request.', [], async () => {
    const text = `SELECT count(*)::int AS count FROM webhook_deliveries WHERE state = 'pending'`;
    const [{ count }] = await database.query<{ count: number }[]>(text);
    return count;
  });
}
