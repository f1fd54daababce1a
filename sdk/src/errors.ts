import type { Schemas } from './api-types.js';

/** Every error of this package. `code` is stable: programs switch on it. */
export class ZeroStateError extends Error {
  override readonly name: string = 'ZeroStateError';

  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The server refused a request, or failed to answer it. */
export class ApiError extends ZeroStateError {
  override readonly name = 'ApiError';
  /** HTTP status. */
  readonly status: number;
  readonly title: string;
  /** The number to search the server's log for. */
  readonly traceId: string | undefined;
  /** The fields that are at fault. */
  readonly errors: readonly Schemas['ProblemField'][];
  /** Seconds after which to try again, where the server says so. */
  readonly retryAfter: number | undefined;
  /** The whole problem document: some problems have further members. */
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(status: number, problem: Partial<Schemas['Problem']>, retryAfter?: number) {
    super(problem.code ?? 'UNKNOWN', problem.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.title = problem.title ?? '';
    this.traceId = problem.trace_id;
    this.errors = problem.errors ?? [];
    this.retryAfter = retryAfter;
    this.problem = problem;
  }

  static async of(response: Response): Promise<ApiError> {
    const text = await response.text().catch(() => '');
    return new ApiError(response.status, parseProblem(text), retryAfterSeconds(response.headers));
  }
}

/** No answer came: the server is away, or the connection broke. `code` is `UNREACHABLE` or `TIMED_OUT`. */
export class ConnectionError extends ZeroStateError {
  override readonly name = 'ConnectionError';
}

/** A task ended without a result. `code` is that of the task's error, or `TASK_CANCELLED`. */
export class TaskError extends ZeroStateError {
  override readonly name = 'TaskError';

  constructor(readonly task: Schemas['TaskDto']) {
    super(
      task.error?.code ?? `TASK_${task.status.toUpperCase()}`,
      task.error?.message ?? `The task was ${task.status}.`,
    );
  }
}

/** @returns whether it is an error of this package, with one of these codes if any are given */
export const hasCode = (error: unknown, ...codes: string[]): error is ZeroStateError =>
  error instanceof ZeroStateError && (codes.length === 0 || codes.includes(error.code));

/** Reads `Retry-After`, seconds or a date. */
export function retryAfterSeconds(headers: Headers, now = Date.now()): number | undefined {
  const value = headers.get('retry-after')?.trim();
  if (!value) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

function parseProblem(text: string): Partial<Schemas['Problem']> {
  try {
    const value: unknown = JSON.parse(text);
    return value && typeof value === 'object' ? value : {};
  } catch {
    return {}; // a proxy's page
  }
}
