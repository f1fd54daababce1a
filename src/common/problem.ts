import { ApiProperty } from '@nestjs/swagger';
import { ApiInteger } from './api-schema.js';

/** RFC 9457 problem details, the body of every error answer (`application/problem+json`). */
export class Problem {
  /**
   * URI of the kind of problem.
   * @example "urn:zerostate:problem:not-found"
   */
  type: string;
  /**
   * The HTTP status in words.
   * @example "Not Found"
   */
  title: string;
  /** @example 404 */
  @ApiInteger()
  status: number;
  /**
   * One sentence for a person; if possible it says what to do next.
   * @example "There is no such task, or it is not yours."
   */
  detail: string;
  /**
   * Stable, in SCREAMING_SNAKE: programs switch on it.
   * @example "NOT_FOUND"
   */
  code: string;
  /**
   * Identifies this request in the server's log and in its trace (W3C Trace Context).
   * @example "4bf92f3577b34da6a3ce929d0e0e4736"
   */
  @ApiProperty({ type: 'string', pattern: '^[0-9a-f]{32}$' })
  trace_id: string;
  /** The offending fields, if the request was malformed. */
  errors?: ProblemField[];
}

export class ProblemField {
  /**
   * Path of the field, such as `weights.price`.
   * @example "weights.price"
   */
  field: string;
  /** @example "weights.price must not be less than 0" */
  message: string;
}
