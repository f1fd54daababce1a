import { IsString, MinLength } from 'class-validator';
import { ApiInteger, ApiTime } from '../common/api-schema.js';
import { IsNotBlank, IsPlainText, MaxLength } from '../common/validators.js';

export class AnnouncementDto {
  /**
   * What everybody who is connected shall read.
   * @example "The market closes for maintenance at 22:00 UTC."
   */
  @IsString()
  @MinLength(1)
  @IsNotBlank()
  @MaxLength(2000)
  @IsPlainText()
  message: string;
}

export class AnnouncedDto {
  /**
   * Its place in the feed.
   * @example 4712
   */
  @ApiInteger()
  seq: number;
  /** @example "The market closes for maintenance at 22:00 UTC." */
  message: string;
}

export class SubscriptionCountsDto {
  /** @example 31 */
  @ApiInteger()
  user: number;
  /** @example 12 */
  @ApiInteger()
  task: number;
  /** @example 4 */
  @ApiInteger()
  agent: number;
  /** @example 1 */
  @ApiInteger()
  admin: number;
}

/** Figures of the process that answers; behind a load balancer each has its own. */
export class GatewayStatsDto {
  /**
   * Open WebSocket connections.
   * @example 31
   */
  @ApiInteger()
  sockets: number;
  /**
   * Users who hold them.
   * @example 27
   */
  @ApiInteger()
  users: number;
  /** Subscriptions, those of server-sent event streams included, by kind of topic. */
  subscriptions: SubscriptionCountsDto;
  /**
   * Events handed to WebSocket clients since the start, one for each receiver.
   * @example 98214
   */
  @ApiInteger()
  delivered: number;
  /**
   * Times a client was told that it reads too slowly.
   * @example 0
   */
  @ApiInteger()
  lagging: number;
  /**
   * End of the feed in the database.
   * @example 4712
   */
  @ApiInteger()
  feed_seq: number;
  /**
   * How far this process has read it; what lies between is on its way.
   * @example 4712
   */
  @ApiInteger()
  position: number;
  /** When the figures were taken. */
  @ApiTime()
  at: string;
}
