import type { Delivery, Webhook } from '../../api/webhooks';
import { duration } from '../../lib/format';
import { Tag } from '../../ui/basics';
import { Glyph, type GlyphName } from '../../ui/glyph';

const STATES: Record<Webhook['status'], readonly [tone: string, glyph: GlyphName, text: string]> = {
  active: ['ok', 'check', 'Active'],
  paused: ['', 'cancelled', 'Paused'],
  disabled: ['bad', 'x', 'Disabled'],
};

export function WebhookState({ status }: { status: Webhook['status'] }) {
  const [tone, glyph, text] = STATES[status];
  return (
    <Tag tone={tone} glyph={glyph}>
      {text}
    </Tag>
  );
}

const REASONS: Record<string, readonly [why: string, next: string]> = {
  failing: ['Its receiver accepted nothing for a day.', 'Mend the receiver, then activate the webhook.'],
  gone: [
    'Its receiver answered 410, which means that it wants no more.',
    'Change the URL or mend the receiver, then activate the webhook.',
  ],
  secret_unreadable: ['The server can no longer read its secret.', 'Make a new secret, then activate the webhook.'],
};

/** @returns why a webhook is disabled and what to do, two sentences */
export function whyDisabled(reason: string | null): readonly [why: string, next: string] {
  return REASONS[reason ?? ''] ?? [`The server disabled it: ${reason}.`, 'Mend the cause, then activate the webhook.'];
}

const OUTCOMES: Record<Delivery['state'], readonly [look: GlyphName, text: string]> = {
  pending: ['queued', 'Waiting'],
  delivered: ['completed', 'Delivered'],
  failed: ['failed', 'Failed'],
};

export function DeliveryState({ state }: { state: Delivery['state'] }) {
  const [look, text] = OUTCOMES[state];
  return (
    <span className={`st ${look}`}>
      <Glyph name={look} />
      {text}
    </span>
  );
}

/** `204 in 12.3 ms`, `503 in 1.07 s`, `UPSTREAM_TIMEOUT after 10.0 s`. */
export const answerOf = ({ status, code, duration_ms: ms }: Delivery['attempts'][number]): string =>
  status === null ? `${code ?? 'No answer'} after ${duration(ms)}` : `${status} in ${duration(ms)}`;
