import { IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { ApiInteger, ApiTime } from '../common/api-schema.js';
import { IsPlainText } from '../common/validators.js';

export class AnnouncementDto {
  /**
   * What everybody who is connected shall read.
   * @example "The market closes for maintenance at 22:00 UTC."
   */
  @IsString()
  @IsNotEmpty()
  @IsPlainText()
  @MaxLength(2000)
  message: string;
}

export class AnnouncedDto {
  /** Its place in the feed. */
  @ApiInteger()
  seq: number;
  message: string;
}

export class SubscriptionCountsDto {
  @ApiInteger()
  user: number;
  @ApiInteger()
  task: number;
  @ApiInteger()
  agent: number;
  @ApiInteger()
  admin: number;
}

/** Figures of the process that answers; behind a load balancer each has its own. */
export class GatewayStatsDto {
  /** Open WebSocket connections. */
  @ApiInteger()
  sockets: number;
  /** Users who hold them. */
  @ApiInteger()
  users: number;
  /** Subscriptions, those of server-sent event streams included, by kind of topic. */
  subscriptions: SubscriptionCountsDto;
  /** Events handed to WebSocket clients since the start, one for each receiver. */
  @ApiInteger()
  delivered: number;
  /** Times a client was told that it reads too slowly. */
  @ApiInteger()
  lagging: number;
  /** End of the feed in the database. */
  @ApiInteger()
  feed_seq: number;
  /** How far this process has read it; what lies between is on its way. */
  @ApiInteger()
  position: number;
  /** When the figures were taken. */
  @ApiTime()
  at: string;
}
