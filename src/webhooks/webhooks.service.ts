import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditTrail, type AuditType, type Caller, holdAccount } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import { isId, newId } from '../common/ids.js';
import { type Page, type PageQuery, toPage } from '../common/pagination.js';
import { EgressConfig, WebhookConfig } from '../config/index.js';
import { EgressRefusal, judgeHop } from '../egress/index.js';
import { EventLog } from '../feed/index.js';
import { presentWebhook } from './presenter.js';
import { newSecret } from './signature.js';
import { WEBHOOK_COLUMNS, type WebhookRow } from './webhook-row.js';
import { WebhookSecrets } from './webhook-secrets.js';
import type { CreateWebhookDto, NewWebhookDto, UpdateWebhookDto, WebhookDto } from './webhooks.dto.js';

/** A user's webhooks. Nobody else sees or changes them, admins neither: their events are the user's own. */
@Injectable()
export class Webhooks {
  constructor(
    private readonly database: DataSource,
    private readonly events: EventLog,
    private readonly secrets: WebhookSecrets,
    private readonly audit: AuditTrail,
    private readonly config: WebhookConfig,
    private readonly egress: EgressConfig,
  ) {}

  /**
   * Makes a webhook. It gets the events after this moment.
   * @throws AppError `invalid`; `forbidden` `QUOTA_EXCEEDED`; `unavailable` `SECRETS_KEY_MISSING`
   */
  async create(
    caller: Caller,
    { url, events = [], agents = [], description }: CreateWebhookDto,
  ): Promise<NewWebhookDto> {
    const host = this.checked(url);
    const id = newId();
    const secret = newSecret();
    const { keyId, sealed } = this.secrets.seal(id, secret);
    const seq = await this.events.lastSeq();
    const row = await this.database.transaction(async (transaction) => {
      await holdAccount(transaction, caller.id);
      const count = 'SELECT count(*)::int AS count FROM webhooks WHERE user_id = $1';
      const [{ count: own }] = await transaction.query<{ count: number }[]>(count, [caller.id]);
      if (own >= this.config.perUser) {
        const detail = `An account has at most ${this.config.perUser} webhooks: delete one first.`;
        throw new AppError('forbidden', 'QUOTA_EXCEEDED', detail);
      }
      const [made] = await transaction.query<WebhookRow[]>(
        `INSERT INTO webhooks (id, user_id, url, description, event_types, agent_ids, key_id, sealed, seq, behind, due_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, true, now()) RETURNING ${WEBHOOK_COLUMNS}`,
        [id, caller.id, url, description ?? null, events, agents, keyId, sealed, seq],
      );
      await this.record(transaction, 'webhook.created', caller, { webhook_id: id, host });
      return made;
    });
    return { ...presentWebhook(row), secret };
  }

  /** Newest first. */
  async list(caller: Caller, { limit, cursor }: PageQuery): Promise<Page<WebhookDto>> {
    const rows = await this.database.query<WebhookRow[]>(
      `SELECT ${WEBHOOK_COLUMNS} FROM webhooks
        WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
      [caller.id, cursor ?? null, limit + 1],
    );
    return toPage(rows, limit, (row) => presentWebhook(row));
  }

  async get(caller: Caller, id: string): Promise<WebhookDto> {
    return presentWebhook(await this.owned(caller, id));
  }

  /** @throws AppError `invalid`, `not_found` */
  async update(caller: Caller, id: string, dto: UpdateWebhookDto): Promise<WebhookDto> {
    const host = dto.url === undefined ? undefined : this.checked(dto.url);
    const { url, events, agents, description, status } = dto;
    return this.database.transaction(async (transaction) => {
      await this.owned(caller, id, transaction);
      const [[row]] = await transaction.query<[WebhookRow[], number]>(UPDATE, [
        ...[id, url ?? null, events ?? null, agents ?? null, description ?? null, status ?? null],
      ]);
      if (status === 'active') await transaction.query(RESUME, [id]);
      await this.record(transaction, 'webhook.updated', caller, {
        webhook_id: id,
        ...(host && { host }),
        ...(status && { status }),
      });
      return presentWebhook(row);
    });
  }

  /** @throws AppError `not_found` */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      await this.owned(caller, id, transaction);
      await transaction.query('DELETE FROM webhooks WHERE id = $1', [id]);
      await this.record(transaction, 'webhook.deleted', caller, { webhook_id: id });
    });
  }

  /**
   * Makes a new secret. The old one signs too for a while, so that the receiver can change over; an older one ends at once.
   * @throws AppError `not_found`; `unavailable` `SECRETS_KEY_MISSING`
   */
  async rotate(caller: Caller, id: string, overlapS: number): Promise<NewWebhookDto> {
    await this.owned(caller, id);
    const secret = newSecret();
    const { keyId, sealed } = this.secrets.seal(id, secret);
    const row = await this.database.transaction(async (transaction) => {
      await this.owned(caller, id, transaction);
      const [[changed]] = await transaction.query<[WebhookRow[], number]>(
        `UPDATE webhooks
            SET previous_key_id = key_id, previous_sealed = sealed, previous_until = now() + $4 * interval '1 second',
                key_id = $2, sealed = $3
          WHERE id = $1 RETURNING ${WEBHOOK_COLUMNS}`,
        [id, keyId, sealed, overlapS],
      );
      await this.record(transaction, 'webhook.secret_rotated', caller, { webhook_id: id });
      return changed;
    });
    return { ...presentWebhook(row), secret };
  }

  /** @param transaction locks the row until it ends @throws AppError `not_found` */
  async owned(caller: Caller, id: string, transaction?: EntityManager): Promise<WebhookRow> {
    if (!isId(id)) throw notFound('webhook');
    const text = `SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE id = $1 AND user_id = $2`;
    const [row] = transaction
      ? await transaction.query<WebhookRow[]>(`${text} FOR UPDATE`, [id, caller.id])
      : await this.database.query<WebhookRow[]>(text, [id, caller.id]);
    if (!row) throw notFound('webhook');
    return row;
  }

  /** @returns the host @throws AppError `invalid` for a URL that egress would refuse now and later */
  private checked(url: string): string {
    const host = URL.canParse(url) ? new URL(url).hostname : '';
    const rules = { hosts: [host], methods: ['POST'] };
    try {
      const { isHttps, privateHost } = judgeHop(url, 'POST', rules, this.egress.ceiling);
      if (isHttps || privateHost) return host;
    } catch (error) {
      if (!(error instanceof EgressRefusal)) throw error;
      throw malformed([{ field: 'url', message: error.message }]);
    }
    throw malformed([{ field: 'url', message: 'must start with https://' }]);
  }

  private record(
    transaction: EntityManager,
    type: AuditType,
    by: Caller,
    details: Record<string, string>,
  ): Promise<void> {
    return this.audit.record({ type, by, subjectId: by.id, details }, transaction);
  }
}

/** An activated webhook is served at once, whatever its past. */
const UPDATE = `
  UPDATE webhooks
     SET url = coalesce($2, url), event_types = coalesce($3::text[], event_types),
         agent_ids = coalesce($4::uuid[], agent_ids), description = coalesce($5, description),
         status = coalesce($6::text, status),
         disabled_reason = CASE WHEN $6::text IS NULL THEN disabled_reason END,
         failures = CASE WHEN $6::text = 'active' THEN 0 ELSE failures END,
         behind = behind OR $6::text IS NOT DISTINCT FROM 'active',
         throttled_until = CASE WHEN $6::text = 'active' THEN now() ELSE throttled_until END,
         due_at = CASE WHEN $6::text = 'active' THEN now() ELSE due_at END
   WHERE id = $1 RETURNING ${WEBHOOK_COLUMNS}`;

const RESUME = `
  UPDATE webhook_deliveries SET next_at = now(), tries = 0, first_tried_at = NULL
   WHERE webhook_id = $1 AND state = 'pending'`;

/** Deletes the webhooks of an account that is being deleted, in its transaction. */
export async function deleteWebhooksOf(transaction: EntityManager, userId: string): Promise<void> {
  await transaction.query('DELETE FROM webhooks WHERE user_id = $1', [userId]);
}
