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

  /** Maximum number of events, at most 100. */
  @ApiInteger({ required: false })
  @Optional()
  @NumberFromText()
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 100;
}

export class EventPage {
  /**
   * Oldest first. May be shorter than `limit`, even empty, although there is a `next_cursor`: hidden events count too.
   */
  items: FeedEvent[];
  /**
   * `after_seq` of the next page; null when there is none yet.
   * @example 4711
   */
  @ApiInteger()
  next_cursor: number | null;
  /**
   * `true`: events after the cursor were deleted because of their age (`EVENT_RETENTION_DAYS`), or the cursor is beyond
   * the end of the feed. Otherwise left out.
   */
  @ApiProperty({ type: 'boolean', enum: [true], required: false })
  gap?: true;
  /**
   * With `gap`: the feed is complete from this `seq` on.
   * @example 1201
   */
  @ApiInteger({ required: false })
  oldest_seq?: number;
}
