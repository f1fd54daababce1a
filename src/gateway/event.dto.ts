import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import { NumberFromText, Optional } from '../common/validators.js';
import { ApiInteger } from '../common/api-schema.js';
import { FeedEvent } from '../feed/index.js';

export class EventsQuery {
  /** Only events after this `seq`. */
  @ApiInteger({ required: false })
  @Optional()
  @NumberFromText()
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  after_seq: number = 0;

  /** How many events to answer, at most 100. */
  @ApiInteger({ required: false })
  @Optional()
  @NumberFromText()
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 100;
}

export class EventPage {
  /** Oldest first. May be fewer than `limit`, or none, although there is a `next_cursor`: hidden events count too. */
  items: FeedEvent[];
  /**
   * `after_seq` of the next page; null when there is none yet.
   * @example 4711
   */
  @ApiInteger()
  next_cursor: number | null;
  /**
   * `true`: events after the cursor have been deleted for their age (`EVENT_RETENTION_DAYS`), or the cursor is beyond the end of the
   * feed. Else left out.
   */
  @ApiProperty({ type: 'boolean', enum: [true], required: false })
  gap?: true;
  /**
   * With `gap`: from this `seq` on every event is there.
   * @example 1201
   */
  @ApiInteger({ required: false })
  oldest_seq?: number;
}
