import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { Caller } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { isId, newId } from '../common/ids.js';
import { type Page, toPage } from '../common/pagination.js';
import { asSeenBy, EventLog } from '../feed/index.js';
import { presentDelivery } from './presenter.js';
import { DELIVERY_COLUMNS, type DeliveryRow, passes, toRow, type WebhookRow } from './webhook-row.js';
import type { DeliveriesQuery, DeliveryDto, ReplayedDto, ReplayRangeDto } from './webhooks.dto.js';
import { Webhooks } from './webhooks.service.js';

/** Events that one request replays. */
const MAX_REPLAYED = 500;
/** Pings of one webhook that wait. */
const MAX_PINGS = 5;

/** What was and will be delivered to a user's webhooks, as the user sees it. Workers send it. */
@Injectable()
export class Deliveries {
  constructor(
    private readonly database: DataSource,
    private readonly events: EventLog,
    private readonly webhooks: Webhooks,
  ) {}

  /** Newest first. @throws AppError `not_found` */
  async list(caller: Caller, webhookId: string, { state, limit, cursor }: DeliveriesQuery): Promise<Page<DeliveryDto>> {
    await this.webhooks.owned(caller, webhookId);
    const rows = await this.database.query<DeliveryRow[]>(
      `SELECT ${DELIVERY_COLUMNS} FROM webhook_deliveries
        WHERE webhook_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::text IS NULL OR state = $3)
        ORDER BY id DESC LIMIT $4`,
      [webhookId, cursor ?? null, state ?? null, limit + 1],
    );
    return toPage(rows, limit, presentDelivery);
  }

  /** @throws AppError `not_found` */
  async get(caller: Caller, webhookId: string, id: string): Promise<DeliveryDto> {
    await this.webhooks.owned(caller, webhookId);
    const text = `SELECT ${DELIVERY_COLUMNS} FROM webhook_deliveries WHERE webhook_id = $1 AND id = $2`;
    const [row] = isId(id) ? await this.database.query<DeliveryRow[]>(text, [webhookId, id]) : [];
    if (!row) throw notFound('delivery');
    return presentDelivery(row);
  }

  /** Sends a test message. @throws AppError `not_found`; `conflict` `WEBHOOK_NOT_ACTIVE`; `exhausted` `TOO_MANY_PINGS` */
  ping(caller: Caller, webhookId: string): Promise<DeliveryDto> {
    return this.whileActive(caller, webhookId, async (_, transaction) => {
      const text = `SELECT count(*)::int AS count FROM webhook_deliveries
                     WHERE webhook_id = $1 AND state = 'pending' AND seq IS NULL`;
      const [{ count }] = await transaction.query<{ count: number }[]>(text, [webhookId]);
      if (count >= MAX_PINGS) {
        const detail = `${MAX_PINGS} pings of this webhook wait already: look at its deliveries.`;
        throw new AppError('exhausted', 'TOO_MANY_PINGS', detail, { retryAfter: 10 });
      }
      const [row] = await transaction.query<DeliveryRow[]>(
        `INSERT INTO webhook_deliveries (id, webhook_id, type, order_key) VALUES ($1, $2, 'webhook.ping', $1)
         RETURNING ${DELIVERY_COLUMNS}`,
        [newId(), webhookId],
      );
      return presentDelivery(row);
    });
  }

  /** Sends a delivery again, under the same message id. @throws AppError `not_found`; `conflict` `WEBHOOK_NOT_ACTIVE` */
  async replay(caller: Caller, webhookId: string, id: string): Promise<DeliveryDto> {
    await this.get(caller, webhookId, id);
    return this.whileActive(caller, webhookId, async (_, transaction) => {
      const text = `${AGAIN} WHERE webhook_id = $1 AND id = $2 RETURNING ${DELIVERY_COLUMNS}`;
      const [[row]] = isId(id) ? await transaction.query<[DeliveryRow[], number]>(text, [webhookId, id]) : [[]];
      if (!row) throw notFound('delivery');
      return presentDelivery(row);
    });
  }

  /**
   * Sends the events of a part of the feed again, those that were never sent too.
   * @throws AppError `not_found`; `conflict` `WEBHOOK_NOT_ACTIVE`
   */
  replayRange(caller: Caller, webhookId: string, { after_seq, until_seq }: ReplayRangeDto): Promise<ReplayedDto> {
    return this.whileActive(caller, webhookId, async (webhook, transaction) => {
      const read = await this.events.readUserHeads(caller.id, after_seq, MAX_REPLAYED);
      const range = read.filter(({ seq }) => seq <= (until_seq ?? Infinity));
      const wanted = range.filter((event) => passes(webhook, event) && asSeenBy(caller, event));
      await transaction.query(REPLAY, [webhookId, JSON.stringify(wanted.map(toRow))]);
      const hasMore = read.length === MAX_REPLAYED && range.length === read.length;
      return { replayed: wanted.length, next_after_seq: hasMore ? read[read.length - 1].seq : null };
    });
  }

  /** Runs `change` with the webhook locked, and wakes a worker. */
  private whileActive<T>(
    caller: Caller,
    webhookId: string,
    change: (webhook: WebhookRow, transaction: EntityManager) => Promise<T>,
  ): Promise<T> {
    return this.database.transaction(async (transaction) => {
      const webhook = await this.webhooks.owned(caller, webhookId, transaction);
      if (webhook.status !== 'active') {
        const detail = `The webhook is ${webhook.status}: set its status to active first.`;
        throw new AppError('conflict', 'WEBHOOK_NOT_ACTIVE', detail);
      }
      const result = await change(webhook, transaction);
      await transaction.query(
        `UPDATE webhooks SET due_at = least(coalesce(due_at, 'infinity'), greatest(now(), throttled_until)) WHERE id = $1`,
        [webhookId],
      );
      return result;
    });
  }
}

const FRESH = `state = 'pending', next_at = now(), tries = 0, first_tried_at = NULL, ended_at = NULL`;
const AGAIN = `UPDATE webhook_deliveries SET ${FRESH}`;

const REPLAY = `
  INSERT INTO webhook_deliveries (id, webhook_id, seq, type, task_id, order_key)
  SELECT id, $1, seq, type, task_id, order_key
    FROM json_to_recordset($2::json) AS event(id uuid, seq bigint, type text, task_id uuid, order_key uuid)
  ON CONFLICT ON CONSTRAINT webhook_deliveries_event_key DO UPDATE SET ${FRESH}`;
