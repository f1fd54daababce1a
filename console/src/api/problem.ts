import type { components } from './schema';

type Problem = components['schemas']['Problem'];

/** A refusal of the server, or that it could not be reached. `detail` is a sentence for the reader. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly traceId: string | undefined;
  readonly errors: { field: string; message: string }[];
  /** Seconds. */
  readonly retryAfter: number | undefined;
  /** The members that only some problems have. */
  readonly more: Record<string, unknown>;

  constructor(status: number, problem: Partial<Problem>, retryAfter?: number) {
    super(problem.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? 'UNKNOWN';
    this.traceId = problem.trace_id;
    this.errors = problem.errors ?? [];
    this.retryAfter = retryAfter;
    this.more = problem as Record<string, unknown>;
  }

  static unreachable(): ApiProblem {
    const detail = 'The server cannot be reached. Check the connection and try again.';
    return new ApiProblem(0, { detail, code: 'UNREACHABLE' });
  }

  static async of(response: Response): Promise<ApiProblem> {
    const problem = (await response.json().catch(() => ({}))) as Partial<Problem>;
    return ApiProblem.from(response, problem);
  }

  static from(response: Response, problem: Partial<Problem> | undefined): ApiProblem {
    const retryAfter = Number(response.headers.get('retry-after') ?? NaN);
    return new ApiProblem(response.status, problem ?? {}, Number.isNaN(retryAfter) ? undefined : retryAfter);
  }
}
