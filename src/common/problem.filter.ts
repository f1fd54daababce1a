import { STATUS_CODES } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AppError, type AppErrorKind, type FieldError } from './app-error.js';
import { wantsEventStream } from './event-stream.js';
import { diskFull } from './disk-full.js';
import { isContention, isDiskFull, type Outage, outageOf } from './outage.js';
import type { Problem } from './problem.js';
import { newTrace } from './trace-context.js';
import { workContext } from './work-context.js';

/** The only place that turns an error's kind into an HTTP status. */
const STATUS_OF_KIND: Record<AppErrorKind, number> = {
  invalid: 400,
  unauthorised: 401,
  unpaid: 402,
  forbidden: 403,
  not_found: 404,
  too_slow: 408,
  conflict: 409,
  too_large: 413,
  unsupported: 415,
  out_of_range: 416,
  unprocessable: 422,
  exhausted: 429,
  too_many_headers: 431,
  internal: 500,
  overloaded: 503,
  unavailable: 503,
  full: 507,
};

/** Codes for errors of the framework: routes that do not exist, addresses that do not parse, ranges of Swagger's files. */
const CODE_OF_STATUS: Record<number, string> = {
  400: 'MALFORMED_REQUEST',
  401: 'UNAUTHORISED',
  403: 'FORBIDDEN',
  404: 'NO_SUCH_ROUTE',
  405: 'METHOD_NOT_ALLOWED',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  416: 'RANGE_NOT_SATISFIABLE',
};

/** Default for `Retry-After`, seconds. */
const UNKNOWN_WAIT = 5;

/** Statuses after which the same request can succeed later. */
const TEMPORARY: ReadonlySet<number> = new Set([503, 507]);

/** Kinds that are logged where they begin. */
const QUIET: ReadonlySet<AppErrorKind> = new Set(['overloaded', 'full']);

/** Answers every error as RFC 9457 problem document. Stacks, SQL and paths go to the log, never to the client. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    this.answer(error, host.switchToHttp().getRequest<Request>(), host.switchToHttp().getResponse<Response>());
  }

  answer(error: unknown, request: Request, response: Response): void {
    const problem = toProblem(error);
    this.log(error, problem, request);
    if (response.headersSent) {
      // Part of the answer is already sent: closing the connection is the only way to signal failure.
      response.destroy();
      return;
    }
    if (TEMPORARY.has(problem.status) && request.method === 'GET' && wantsEventStream(request)) {
      return reconnectLater(problem, retryAfterOf(error) ?? UNKNOWN_WAIT, response);
    }
    if (problem.status === 401) response.setHeader('WWW-Authenticate', challengeOf(request, problem, response));
    const retryAfter = retryAfterOf(error);
    if (retryAfter !== undefined || problem.status === 429 || problem.status === 503) {
      response.setHeader('Retry-After', String(retryAfter ?? UNKNOWN_WAIT));
    }
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  }

  /** An overload or a full disk is no fault, and a line for every refusal would make it worse. An outage needs no stack. */
  private log(error: unknown, { status, trace_id }: Problem, { method, path }: Request): void {
    if (status < 500 || (error instanceof AppError && QUIET.has(error.kind))) return;
    const { message, code, stack } = error instanceof Error ? (error as NodeJS.ErrnoException) : { message: error };
    const text = `${method} ${path} failed, trace_id ${trace_id}:`;
    if (outageOf(error)) this.logger.warn(`${text} ${message || code}`);
    else this.logger.error(`${text} ${stack ?? String(message)}`);
  }
}

/** Code and sentence of an outage that no module has explained. */
const AWAY: Record<Outage, [code: string, detail: string]> = {
  database: ['DATABASE_AWAY', 'The database does not answer: try again later.'],
  queue: ['QUEUE_AWAY', 'The queue does not answer: try again later.'],
  store: ['STORAGE_AWAY', 'The server cannot write to its disk: try again later.'],
};
const CONTENTION: [code: string, detail: string] = [
  'DATABASE_CONTENTION',
  'Other requests changed the same rows, and nothing was written: try again.',
];

/** RFC 6750: an error is named only if the request carried credentials. A door adds parameters of its own. */
function challengeOf({ headers }: Request, { code }: Problem, { locals }: Response): string {
  const isRefused = (headers.authorization ?? headers['x-api-key']) !== undefined && code !== 'TOKEN_MISSING';
  const { challenge } = locals as { challenge?: string };
  const parameters = [isRefused && 'error="invalid_token"', challenge].filter(Boolean);
  return parameters.length > 0 ? `Bearer ${parameters.join(', ')}` : 'Bearer';
}

export function toProblem(error: unknown): Problem & Record<string, unknown> {
  if (error instanceof AppError) {
    return problem(STATUS_OF_KIND[error.kind], error.code, error.message, error.errors, error.details);
  }
  if (error instanceof HttpException) return problem(error.getStatus(), undefined, error.message);
  if (isDiskFull(error)) return toProblem(diskFull());
  const away = outageOf(error);
  if (away) return problem(503, ...AWAY[away]);
  if (isContention(error)) return problem(503, ...CONTENTION);
  // Express's file server, which serves Swagger's page, marks a client's errors with a status and `expose`.
  if (error instanceof Error && 'expose' in error && error.expose && 'status' in error) {
    return problem(Number(error.status), undefined, error.message);
  }
  return problem(500, 'INTERNAL', 'The server failed. Its log has the details under this trace_id.');
}

function problem(
  status: number,
  code: string | undefined,
  detail: string,
  errors?: FieldError[],
  details?: Record<string, unknown>,
): Problem & Record<string, unknown> {
  const stableCode = code ?? CODE_OF_STATUS[status] ?? 'REQUEST_REFUSED';
  return {
    type: `urn:zerostate:problem:${stableCode.toLowerCase().replaceAll('_', '-')}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    code: stableCode,
    trace_id: (workContext()?.trace ?? newTrace()).traceId,
    ...(errors && { errors }),
    ...details,
  };
}

const retryAfterOf = (error: unknown): number | undefined => {
  if (isDiskFull(error)) return diskFull().retryAfter;
  return error instanceof AppError ? error.retryAfter : undefined;
};

/**
 * An `EventSource` gives up permanently on any status but 200. So a stream that cannot be served opens, says why and
 * when to come back, and ends. Its reader reconnects with the last id it has seen.
 */
function reconnectLater({ code, detail }: Problem, seconds: number, response: Response): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store' });
  const data = JSON.stringify({ code, message: detail });
  response.end(`retry: ${seconds * 1000}\nevent: closing\ndata: ${data}\n\n`);
}
