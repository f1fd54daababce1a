import { IsString, MinLength } from 'class-validator';
import { ApiInteger, ApiTime } from '../common/api-schema.js';
import { IsNotBlank, IsPlainText, MaxLength } from '../common/validators.js';

export class AnnouncementDto {
  /**
   * The text for all connected users.
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

/** Figures of the process that answers. Behind a load balancer, each process has its own. */
export class GatewayStatsDto {
  /**
   * Open WebSocket connections.
   * @example 31
   */
  @ApiInteger()
  sockets: number;
  /**
   * Users with a connection.
   * @example 27
   */
  @ApiInteger()
  users: number;
  /** Subscriptions by kind of topic, including those of server-sent event streams. */
  subscriptions: SubscriptionCountsDto;
  /**
   * Events sent to WebSocket clients since the start, once per receiver.
   * @example 98214
   */
  @ApiInteger()
  delivered: number;
  /**
   * How often a client was notified that it reads too slowly.
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
   * How far this process has read the feed.
   * @example 4712
   */
  @ApiInteger()
  position: number;
  /** When the figures were taken. */
  @ApiTime()
  at: string;
}
