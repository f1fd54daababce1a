import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsString, IsUUID, Matches, Max, Min, MinLength } from 'class-validator';
import { ApiInteger, ApiTime } from '../common/api-schema.js';
import { IsNotBlank, IsPlainText, IsTime, MaxLength, Optional } from '../common/validators.js';

/** Tasks that wait and may begin now, by the priority they were submitted with. */
export class WaitingByPriorityDto {
  /** @example 0 */
  @ApiInteger()
  critical: number;
  /** @example 2 */
  @ApiInteger()
  high: number;
  /** @example 9 */
  @ApiInteger()
  normal: number;
  /** @example 1 */
  @ApiInteger()
  low: number;
}

export class QueueStatsDto {
  /**
   * Tasks in the queue that no worker has taken yet.
   * @example 12
   */
  @ApiInteger()
  waiting: number;
  /**
   * Tasks that a worker has taken.
   * @example 4
   */
  @ApiInteger()
  active: number;
  /**
   * Tasks with a later start, and tasks that wait for another try.
   * @example 1
   */
  @ApiInteger()
  delayed: number;
  /**
   * Tasks that may begin and wait for their turn. A task whose turn has come counts until it is assigned.
   * @example 0
   */
  @ApiInteger()
  held: number;
  /**
   * No worker takes a task.
   * @example false
   */
  paused: boolean;
  waiting_by_priority: WaitingByPriorityDto;
  /**
   * For how long the oldest task waits that may begin, milliseconds; null when none waits.
   * @example 180
   */
  @ApiProperty({ type: 'number', nullable: true, minimum: 0 })
  oldest_waiting_ms: number | null;
}

/** Which tasks an act of an admin is about. */
class ManyTasksDto {
  /**
   * Only this user's tasks.
   * @example "01937a6e-0000-7000-8000-000000000000"
   */
  @Optional()
  @IsUUID()
  user_id?: string;

  /**
   * The most by this call; call again for the others.
   * @example 1000
   */
  @Optional()
  @IsInt()
  @Min(1)
  @Max(5000)
  @ApiInteger({ minimum: 1, maximum: 5000, default: 1000, required: false, example: 1000 })
  limit: number = 1000;
}

export class DrainDto extends ManyTasksDto {
  /**
   * Why; its submitters read it as the error of their tasks.
   * @example "The region is shut down for maintenance: submit again after 18:00 UTC."
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(500)
  @IsPlainText()
  reason: string;
}

export class DrainedDto {
  /**
   * Tasks that this call cancelled.
   * @example 12
   */
  @ApiInteger()
  cancelled: number;
  /**
   * Tasks (of this user) that wait still: beyond the limit, or submitted meanwhile.
   * @example 0
   */
  @ApiInteger()
  waiting: number;
}

export class RetryFailedDto extends ManyTasksDto {
  /**
   * Only tasks submitted at this time or later.
   * @example "2026-11-26T18:00:00Z"
   */
  @ApiTime()
  @IsTime()
  since: string;

  /**
   * Only tasks that failed with this code.
   * @example "ALL_AGENTS_FAILED"
   */
  @Optional()
  @Matches(/^[A-Z][A-Z_]{0,63}$/, { message: 'error_code must be a code such as ALL_AGENTS_FAILED' })
  error_code?: string;
}

export class RetriedDto {
  /**
   * Failed tasks that this call has repeated as new ones.
   * @example 7
   */
  @ApiInteger()
  retried: number;
  /**
   * Failed tasks of this kind that have no retry yet: beyond the limit, or beyond the quota or credits of their submitter.
   * @example 0
   */
  @ApiInteger()
  failed: number;
}

export class DashboardLinkDto {
  /**
   * Where a browser finds the dashboard, on this server.
   * @example "/admin/queues?pass=eyJhbGciOi…"
   */
  url: string;
  /**
   * How long the link is good, seconds. The page itself stays open as long as an access token lives.
   * @example 60
   */
  @ApiInteger()
  expires_in: number;
}
