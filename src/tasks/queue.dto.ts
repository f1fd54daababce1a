import { ApiInteger } from '../common/api-schema.js';

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
}
