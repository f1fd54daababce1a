import { Inject, Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { newId } from '../common/ids.js';
import { WebhookConfig } from '../config/index.js';
import { EGRESS, type Egress, type EgressOutcome } from '../egress/index.js';
import { asSeenBy, EventLog, underFeedLock } from '../feed/index.js';
import { messageOf, pingMessage } from './message.js';
import { disabled, requestDuration, requests } from './metrics.js';
import { messageId } from './presenter.js';
import { pauseAfter, throttleAfter } from './retries.js';
import { signedHeaders } from './signature.js';
import { type DueDelivery, type LeasedWebhook, MAX_PENDING, TurnStore } from './turn-store.js';
import { passes } from './webhook-row.js';
import { WebhookSecrets } from './webhook-secrets.js';

/** Requests to one webhook at a time. One that has just failed gets one. */
const WIDTH = 4;
/** How long one webhook is served before others get their turn, ms. */
const TURN_MS = 3000;
/** Events read at a time. */
const PAGE = 200;
/** Beyond the time of a request, ms: enough to record how it ended. */
const LEASE_MARGIN_MS = 5000;
/** Pause of a delivery that this server could not send, ms. */
const BUSY_MS = 1000;

/** Refusals that say nothing about the receiver. */
const OWN_FAULTS = new Set(['EGRESS_BUSY', 'EGRESS_UNAVAILABLE']);

/** Serves one webhook for a moment: makes deliveries of new events, and sends those whose time has come. */
@Injectable()
export class WebhookTurn {
  private readonly logger = new Logger('Webhooks');
  readonly leaseMs: number;

  constructor(
    private readonly database: DataSource,
    private readonly store: TurnStore,
    private readonly events: EventLog,
    private readonly secrets: WebhookSecrets,
    @Inject(EGRESS) private readonly egress: Egress,
    private readonly config: WebhookConfig,
  ) {
    this.leaseMs = config.timeoutMs + LEASE_MARGIN_MS;
  }

  /**
   * An error ends the turn without a release: the lease then runs out, and another turn reads the feed again.
   * @param turn holds the lease of the webhook
   * @param stopping ends the turn after the requests under way
   * @param ended ends these too; they count as not sent
   */
  async run(id: string, turn: string, stopping: AbortSignal, ended: AbortSignal): Promise<void> {
    const until = performance.now() + TURN_MS;
    while (!stopping.aborted && performance.now() < until) {
      const hasRoom = (await this.store.pendingOf(id)) < MAX_PENDING;
      const webhook = await this.store.renew(id, turn, this.leaseMs, hasRoom);
      if (!webhook) break;
      if (hasRoom && webhook.behind) await this.read(webhook, turn);
      const due = await this.store.due(id, webhook.failures > 0 ? 1 : WIDTH);
      const sent = await Promise.all(due.map((delivery) => this.deliver(webhook, delivery, ended)));
      if (due.length === 0 || sent.includes(false)) break;
    }
    if (!ended.aborted) await this.store.release(id, turn);
  }

  private async read(webhook: LeasedWebhook, turn: string): Promise<void> {
    const events = await this.events.readUserHeads(webhook.user_id, Number(webhook.seq), PAGE);
    if (events.length === 0) return;
    const reader = { id: webhook.user_id, role: webhook.role };
    const wanted = events.filter((event) => passes(webhook, event) && asSeenBy(reader, event));
    await this.store.enqueue(webhook.id, turn, events[events.length - 1].seq, events.length === PAGE, wanted);
  }

  /** @returns false when the webhook should rest */
  private async deliver(webhook: LeasedWebhook, delivery: DueDelivery, ended: AbortSignal): Promise<boolean> {
    const body = await this.bodyOf(webhook, delivery);
    if (!body) {
      await this.store.drop(delivery.id);
      return true;
    }
    const secrets = this.secretsOf(webhook);
    if (!secrets) {
      await this.disable(webhook, 'secret_unreadable');
      return false;
    }
    const at = new Date();
    const begun = performance.now();
    const outcome = await this.send(
      webhook.url,
      webhook.user_id,
      body,
      signedHeaders(secrets, messageId(delivery.id), at.getTime(), body),
      ended,
    );
    if (ended.aborted) return false;
    if (outcome.end === 'refused' && OWN_FAULTS.has(outcome.code)) {
      await this.store.postpone(delivery.id, BUSY_MS);
      return true;
    }
    const duration_ms = Math.round(performance.now() - begun);
    requestDuration.observe(duration_ms / 1000);
    const status = outcome.end === 'answered' ? outcome.status : null;
    const code = codeOf(outcome);
    requests.inc({ outcome: code === null ? 'delivered' : status === null ? 'refused' : 'failed' });
    const attempt = { at: at.toISOString(), duration_ms, status, code };
    if (code === null) {
      await this.store.delivered(delivery, webhook.id, attempt);
      return true;
    }
    const again = status === 410 ? undefined : pauseAfter(delivery.tries + 1);
    await this.store.failed(delivery, webhook.id, attempt, again, throttleAfter(webhook.failures + 1));
    if (status === 410) await this.disable(webhook, 'gone');
    else if (again === undefined && !hasSucceededSince(webhook, delivery)) await this.disable(webhook, 'failing');
    return false;
  }

  /** @returns undefined when the event was deleted, or its user may not see it any more */
  private async bodyOf({ id, user_id, role }: LeasedWebhook, { seq }: DueDelivery): Promise<Buffer | undefined> {
    if (seq === null) return pingMessage(id, new Date());
    const event = await this.events.readOne(Number(seq));
    const seen = event && asSeenBy({ id: user_id, role }, event);
    return seen ? messageOf(seen) : undefined;
  }

  private secretsOf(webhook: LeasedWebhook): string[] | undefined {
    const current = this.secrets.open(webhook.id, { keyId: webhook.key_id, sealed: webhook.sealed });
    if (current === undefined) return undefined;
    const { previous_key_id: keyId, previous_sealed: sealed } = webhook;
    const previous = keyId && sealed ? this.secrets.open(webhook.id, { keyId, sealed }) : undefined;
    return previous === undefined ? [current] : [current, previous];
  }

  private async send(
    url: string,
    tenant: string,
    body: Buffer,
    signed: Record<string, string>,
    ended: AbortSignal,
  ): Promise<EgressOutcome> {
    const headers = { 'content-type': 'application/json', ...signed };
    const request = { tenant, method: 'POST', url, headers, body: body.toString('base64'), secrets: [] };
    const rules = { hosts: [new URL(url).hostname], methods: ['POST'] };
    const signal = AbortSignal.any([ended, AbortSignal.timeout(this.config.timeoutMs)]);
    return this.egress.fetch({ ...request, maxRedirects: 0 }, rules, signal);
  }

  /** Nothing is sent any more, and the feed notifies the user. What waits is sent once the user activates the webhook. */
  private async disable(
    { id, user_id }: LeasedWebhook,
    reason: 'failing' | 'gone' | 'secret_unreadable',
  ): Promise<void> {
    const notice = await underFeedLock(this.database, async (transaction) => {
      if (!(await this.store.disable(transaction, id, reason))) return undefined;
      const data = { webhook_id: id, reason };
      return this.events.append(transaction, [
        { type: 'webhook.disabled', task_id: null, user_id, agent_owner_id: null, data },
      ]);
    });
    if (!notice) return;
    this.events.announce(notice);
    disabled.inc({ reason });
    this.logger.log(`the webhook ${id} is disabled: ${reason}`);
  }
}

/** @returns null for an answer that accepts the message */
function codeOf(outcome: EgressOutcome): string | null {
  // The only signal that ends a call here is the time limit.
  if (outcome.end === 'refused') return outcome.code === 'CALL_ENDED' ? 'UPSTREAM_TIMEOUT' : outcome.code;
  return outcome.status >= 200 && outcome.status < 300 ? null : 'HTTP_STATUS';
}

/** A receiver that accepted another message meanwhile refuses this one alone. */
const hasSucceededSince = ({ last_success_at }: LeasedWebhook, { first_tried_at }: DueDelivery): boolean =>
  last_success_at !== null && first_tried_at !== null && last_success_at > first_tried_at;

/** Identifies one turn. */
export const newTurn = newId;
