import { Matches } from 'class-validator';
import { ApiId, ApiInteger, ApiJson, ApiTime } from '../common/api-schema.js';
import { type Page, PageLimit } from '../common/pagination.js';
import { IsPlainText, MaxLength, Optional } from '../common/validators.js';
import { HOST_CALL_METHODS, type HostCallMethod } from './host-call.js';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

export class HostCallsQuery extends PageLimit {
  /**
   * `next_cursor` of the previous page.
   * @example "1.19"
   */
  @Optional()
  @Matches(/^\d{1,9}\.\d{1,9}$/, { message: 'cursor must be the next_cursor of a page' })
  cursor?: string;
}

/** One call of an agent to the host. Requests and answers are not kept. */
export class HostCallDto {
  /**
   * Ordinal of the attempt.
   * @example 1
   */
  @ApiInteger()
  attempt: number;
  /**
   * Number of the call in its attempt, from 0.
   * @example 0
   */
  @ApiInteger()
  n: number;
  @ApiId()
  agent_id: string;
  @ApiProperty({ enum: Object.keys(HOST_CALL_METHODS), example: 'http.fetch' })
  method: HostCallMethod;
  /**
   * The host or the model; null for calls that have neither.
   * @example "api.github.com"
   */
  target: string | null;
  /**
   * `OK`, or the code of the error that the agent read; null while the call is carried out, or if its worker died.
   * @example "OK"
   */
  outcome: string | null;
  /**
   * What it cost, or has reserved.
   * @example 0.000125
   */
  cost: number;
  /** @example 184 */
  @ApiInteger()
  request_bytes: number;
  /** @example 2048 */
  @ApiInteger()
  answer_bytes: number | null;
  /** @example 41.2 */
  duration_ms: number | null;
  @ApiTime()
  at: string;
}

export class HostCallPage implements Page<HostCallDto> {
  /** In the order of the calls. */
  items: HostCallDto[];
  /**
   * `cursor` of the next page; null on the last.
   * @example null
   */
  next_cursor: string | null;
}

export class StateQuery extends PageLimit {
  /**
   * Only keys that begin with this.
   * @example "user/"
   */
  @ApiPropertyOptional({ type: 'string', maxLength: 512 })
  @Optional()
  @IsPlainText()
  @MaxLength(512)
  prefix: string = '';

  /** `next_cursor` of the previous page. */
  @ApiPropertyOptional({ type: 'string', maxLength: 512 })
  @Optional()
  @IsPlainText()
  @MaxLength(512)
  cursor: string = '';
}

export class StateKeyDto {
  /** @example "user/42" */
  key: string;
  /**
   * Grows with each write.
   * @example 7
   */
  @ApiInteger()
  revision: number;
  /**
   * Bytes of key and value.
   * @example 31
   */
  @ApiInteger()
  bytes: number;
  @ApiTime()
  updated_at: string;
  /** When the key is gone; null: never. */
  @ApiTime()
  expires_at: string | null;
}

export class StateEntryDto extends StateKeyDto {
  /** As the agent wrote it. */
  @ApiJson({ example: { visits: 3 } })
  value: unknown;
}

export class StatePage implements Page<StateKeyDto> {
  /** In the order of their keys. */
  items: StateKeyDto[];
  /**
   * `cursor` of the next page; null on the last.
   * @example null
   */
  next_cursor: string | null;
  /**
   * Keys that the agent has, expired ones that are not deleted yet included.
   * @example 1
   */
  @ApiInteger()
  entries: number;
  /**
   * Bytes of all keys and values.
   * @example 31
   */
  @ApiInteger()
  bytes: number;
}
