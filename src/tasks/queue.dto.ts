import { ApiProperty } from '@nestjs/swagger';
import { ApiInteger } from '../common/api-schema.js';

/** Tasks that wait and may begin now, by their own priority, whatever they have risen to. */
export class WaitingByPriorityDto {
  @ApiInteger()
  critical: number;
  @ApiInteger()
  high: number;
  @ApiInteger()
  normal: number;
  @ApiInteger()
  low: number;
}

export class QueueStatsDto {
  /** Tasks no worker has taken yet. */
  @ApiInteger()
  waiting: number;
  /** Tasks a worker holds. */
  @ApiInteger()
  active: number;
  /** Tasks put off to a later time, or that wait for another try after a fault of the server's. */
  @ApiInteger()
  delayed: number;
  /** Tasks that wait outside the queue, because their submitter has as many in it as may be. */
  @ApiInteger()
  held: number;
  /** No worker takes a task. */
  paused: boolean;
  waiting_by_priority: WaitingByPriorityDto;
  /** For how long the oldest task waits that may begin, milliseconds; null when none waits. */
  @ApiProperty({ type: 'number', nullable: true, minimum: 0 })
  oldest_waiting_ms: number | null;
}
