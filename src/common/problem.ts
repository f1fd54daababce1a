import { ApiProperty } from '@nestjs/swagger';
import { ApiInteger } from './api-schema.js';

/** RFC 9457 problem details, the body of every error answer (`application/problem+json`). */
export class Problem {
  /** URI that names the kind of problem. */
  type: string;
  /** The HTTP status in words. */
  title: string;
  @ApiInteger()
  status: number;
  /** One sentence for a person, where possible with what to do next. */
  detail: string;
  /** Stable and SCREAMING_SNAKE: what programs switch on. */
  code: string;
  /** Identifies this request in the server's log, and in its trace: W3C Trace Context. */
  @ApiProperty({ type: 'string', pattern: '^[0-9a-f]{32}$' })
  trace_id: string;
  /** The offending fields, when the request was malformed. */
  errors?: ProblemField[];
}

export class ProblemField {
  /** Path of the field, such as `weights.price`. */
  field: string;
  message: string;
}
