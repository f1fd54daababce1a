/**
 * The one error type of the domain. A kind says who must act. Only `problem.filter.ts` turns kinds into HTTP statuses,
 * so nothing below a controller knows HTTP.
 */
export type AppErrorKind =
  /** The request is malformed: the caller must change it. */
  | 'invalid'
  /** The proof of identity is missing or no longer valid. */
  | 'unauthorised'
  /** The caller is known, but its role does not allow the act. */
  | 'forbidden'
  /** The account has too few credits. */
  | 'unpaid'
  /** It does not exist, or belongs to another user. */
  | 'not_found'
  /** The act contradicts the current state. */
  | 'conflict'
  /** The body, or a part of it, is larger than its limit. */
  | 'too_large'
  /** This route does not read the body's media type. */
  | 'unsupported'
  /** The request has more headers than the server reads. */
  | 'too_many_headers'
  /** The rest of the request did not arrive in time. */
  | 'too_slow'
  /** The requested range starts after the end of the file. */
  | 'out_of_range'
  /** Well-formed, but refused because of its content (for example, a binary that can never run). */
  | 'unprocessable'
  /** The caller has used up its quota or rate. */
  | 'exhausted'
  /** The server has no room to store anything new. */
  | 'full'
  /** The server is at its limit: try again later. */
  | 'overloaded'
  /** A dependency is away: try again later. */
  | 'unavailable'
  /** A fault of the server. */
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
   * @param message one sentence for a person, safe to show; if possible it says what to do next
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

/** For a catch: takes what is not there, or not the caller's, for undefined. @throws any other error again */
export function undefinedIfNotFound(error: unknown): undefined {
  if (!(error instanceof AppError) || error.kind !== 'not_found') throw error;
}
