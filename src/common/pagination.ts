import { IsInt, IsUUID, Max, Min } from 'class-validator';
import { NumberFromText, Optional } from './validators.js';
import { ApiId, ApiInteger } from './api-schema.js';

/** The size of a page. */
export class PageLimit {
  /** Maximum number of items, at most 100. */
  @ApiInteger({ required: false })
  @Optional()
  @NumberFromText()
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 20;
}

/**
 * Keyset pagination over UUIDv7 ids, newest first. It is stable under inserts, and every page costs the same. The
 * cursor is the id of the last item seen.
 */
export class PageQuery extends PageLimit {
  /** `next_cursor` of the previous page. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  cursor?: string;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** Makes a page from rows requested with `limit + 1`: the extra row shows whether there are more. */
export function toPage<Row extends { id: string }, T>(rows: Row[], limit: number, present: (row: Row) => T): Page<T> {
  const items = rows.slice(0, limit);
  return {
    items: items.map(present),
    next_cursor: rows.length > limit ? items[items.length - 1].id : null,
  };
}
