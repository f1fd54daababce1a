/**
 * The one error type of the domain. A kind says who must act; `problem.filter.ts` is the only place that turns kinds
 * into HTTP statuses, so nothing below a controller knows about HTTP.
 */
export type AppErrorKind =
  /** The request is malformed: the caller must change it. */
  | 'invalid'
  /** No proof of identity, or one that is no longer good. */
  | 'unauthorised'
  /** Known caller, but its role does not allow the act. */
  | 'forbidden'
  /** There is no such thing, or it is somebody else's. */
  | 'not_found'
  /** The act contradicts the present state. */
  | 'conflict'
  /** The body, or a part of it, is larger than its limit. */
  | 'too_large'
  /** The body's media type is not one this route reads. */
  | 'unsupported'
  /** Well-formed, but refused for what it says (a binary that can never run, say). */
  | 'unprocessable'
  /** The caller has used up what it may use. */
  | 'exhausted'
  /** The server has no room to store anything new. */
  | 'full'
  /** The server has taken on as much as it may: try again later. */
  | 'overloaded'
  /** A part this answer needs is away for now: try again later. */
  | 'unavailable'
  /** A fault of the server's own. */
  | 'internal';

/** One offending field: `field` is a path such as `weights.price`, `message` a sentence for a person. */
export interface FieldError {
  field: string;
  message: string;
}

export interface AppErrorOptions {
  /** Offending fields, for `invalid`. */
  errors?: FieldError[];
  /** Further members of the problem document; must be safe to show. */
  details?: Record<string, unknown>;
  /** Seconds after which to try again; becomes `Retry-After`. */
  retryAfter?: number;
  /** The underlying error, for the log only. */
  cause?: unknown;
}

export class AppError extends Error {
  readonly errors?: FieldError[];
  readonly details?: Record<string, unknown>;
  readonly retryAfter?: number;

  /**
   * @param kind who must act
   * @param code stable, SCREAMING_SNAKE; clients switch on it
   * @param message one sentence for a person, safe to show; where possible it says what to do next
   */
  constructor(
    readonly kind: AppErrorKind,
    readonly code: string,
    message: string,
    options: AppErrorOptions = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'AppError';
    this.errors = options.errors;
    this.details = options.details;
    this.retryAfter = options.retryAfter;
  }
}

export const notFound = (what: string): AppError =>
  new AppError('not_found', 'NOT_FOUND', `There is no such ${what}, or it is not yours.`);
