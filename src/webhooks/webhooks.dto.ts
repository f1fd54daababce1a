import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsIn, IsInt, IsString, IsUUID, Max, Min } from 'class-validator';
import { ApiId, ApiInteger, ApiTime, EXAMPLE_IDS } from '../common/api-schema.js';
import { type Page, PageQuery } from '../common/pagination.js';
import { IsPlainText, MaxLength, Optional } from '../common/validators.js';
import { EVENT_TYPES, type EventType } from '../feed/index.js';

const STATES = ['pending', 'delivered', 'failed'] as const;
const URL_EXAMPLE = 'https://hooks.acme.dev/zerostate';

export class CreateWebhookDto {
  /** Where events are sent: https, the name of a public host. */
  @ApiProperty({ type: 'string', maxLength: 2048, example: URL_EXAMPLE })
  @IsString()
  @MaxLength(2048)
  url: string;

  /** Types of events that are sent. Empty or left out: all. */
  @ApiPropertyOptional({ enum: EVENT_TYPES, isArray: true, example: ['task.completed', 'task.failed'] })
  @Optional()
  @IsArray()
  @ArrayUnique()
  @IsIn(EVENT_TYPES, { each: true })
  events?: EventType[];

  /** Ids of agents: only events about them are sent. Empty or left out: all events. */
  @ApiPropertyOptional({ type: 'array', items: { type: 'string', format: 'uuid' }, maxItems: 100, example: [] })
  @Optional()
  @IsArray()
  @ArrayMaxSize(100)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  agents?: string[];

  /**
   * For people.
   * @example "Pages the night shift"
   */
  @Optional()
  @IsString()
  @MaxLength(200)
  @IsPlainText()
  description?: string;
}

/** What is left out stays as it is. */
export class UpdateWebhookDto extends CreateWebhookDto {
  @ApiPropertyOptional({ type: 'string', maxLength: 2048, example: URL_EXAMPLE })
  @Optional()
  @IsString()
  @MaxLength(2048)
  declare url: string;

  /** `paused`: nothing is sent. `active`: sends what came meanwhile, and tries again what waits. */
  @ApiPropertyOptional({ enum: ['active', 'paused'], example: 'active' })
  @Optional()
  @IsIn(['active', 'paused'])
  status?: 'active' | 'paused';
}

export class RotateSecretDto {
  /**
   * How long requests are signed with the old secret too, seconds.
   * @example 86400
   */
  @ApiInteger({ required: false, default: 86_400, minimum: 0, maximum: 604_800 })
  @Optional()
  @IsInt()
  @Min(0)
  @Max(604_800)
  overlap_s: number = 86_400;
}

export class ReplayRangeDto {
  /**
   * Events after this `seq` of the feed.
   * @example 1200
   */
  @ApiInteger()
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  after_seq: number;

  /**
   * Up to this one; left out: up to the newest.
   * @example 1300
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  until_seq?: number;
}

export class ReplayedDto {
  /**
   * Events that will be sent again.
   * @example 12
   */
  @ApiInteger()
  replayed: number;
  /**
   * `after_seq` of the next request; null: the whole range was taken.
   * @example null
   */
  @ApiInteger({ nullable: true })
  next_after_seq: number | null;
}

export class WebhookDto {
  @ApiId()
  id: string;
  /** @example "https://hooks.acme.dev/zerostate" */
  url: string;
  @ApiProperty({ enum: EVENT_TYPES, isArray: true, description: 'Empty: all.' })
  events: string[];
  /** Empty: all. */
  @ApiProperty({ type: 'array', items: { type: 'string', format: 'uuid' }, example: [EXAMPLE_IDS.agent] })
  agents: string[];
  /** @example "Pages the night shift" */
  description: string | null;
  @ApiProperty({ enum: ['active', 'paused', 'disabled'] })
  status: 'active' | 'paused' | 'disabled';
  /**
   * Why it is disabled: `failing` for a day, `gone` (it answered 410), or `secret_unreadable`.
   * @example null
   */
  disabled_reason: string | null;
  /** Requests that failed since the last one that was accepted. */
  @ApiInteger({ example: 0 })
  failures: number;
  @ApiTime({ nullable: true })
  last_success_at: string | null;
  /** Until when the old secret signs too; null: there is none. */
  @ApiTime({ nullable: true })
  previous_secret_until: string | null;
  @ApiTime()
  created_at: string;
}

export class NewWebhookDto extends WebhookDto {
  /**
   * Verifies signatures by the rules of Standard Webhooks. Shown this once.
   * @example "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
   */
  secret: string;
}

export class WebhookPage implements Page<WebhookDto> {
  items: WebhookDto[];
  /** `cursor` of the next page. */
  @ApiId({ nullable: true })
  next_cursor: string | null;
}

export class DeliveriesQuery extends PageQuery {
  /** Only deliveries in this state. */
  @ApiPropertyOptional({ enum: STATES })
  @Optional()
  @IsIn(STATES)
  state?: (typeof STATES)[number];
}

/** One request of a delivery. */
export class DeliveryAttemptDto {
  @ApiTime()
  at: string;
  /** @example 184 */
  @ApiInteger()
  duration_ms: number;
  /**
   * HTTP status of the answer; null: there was none.
   * @example 503
   */
  @ApiInteger({ nullable: true })
  status: number | null;
  /**
   * Why it failed: `HTTP_STATUS`, or a code such as `UPSTREAM_TIMEOUT`; null: it was accepted.
   * @example "HTTP_STATUS"
   */
  code: string | null;
}

export class DeliveryDto {
  @ApiId()
  id: string;
  /**
   * `webhook-id` of its requests.
   * @example "msg_01993c5e7d2f7b119a0c4e5f60718293"
   */
  message_id: string;
  /**
   * Its event in the feed; null for a ping.
   * @example 4711
   */
  @ApiInteger({ nullable: true })
  seq: number | null;
  /** @example "task.completed" */
  type: string;
  @ApiId({ nullable: true })
  task_id: string | null;
  @ApiProperty({ enum: STATES })
  state: (typeof STATES)[number];
  /** The last 20 requests. */
  attempts: DeliveryAttemptDto[];
  /** When it is tried next, at the earliest; null: it has ended. */
  @ApiTime({ nullable: true })
  next_attempt_at: string | null;
  @ApiTime()
  created_at: string;
  @ApiTime({ nullable: true })
  ended_at: string | null;
}

export class DeliveryPage implements Page<DeliveryDto> {
  items: DeliveryDto[];
  /** `cursor` of the next page. */
  @ApiId({ nullable: true })
  next_cursor: string | null;
}
