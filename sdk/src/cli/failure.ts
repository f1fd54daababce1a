import { ApiError, ConnectionError, TaskError, ZeroStateError } from '../errors.js';
import { UsageError } from './usage.js';

/** 1 refused or failed, 2 wrong usage, 3 not logged in, 4 the server cannot be reached. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return 2;
  if (error instanceof ConnectionError) return 4;
  if (error instanceof ApiError) return error.status === 401 ? 3 : 1;
  return error instanceof ZeroStateError && error.code === 'SIGNED_OUT' ? 3 : 1;
}

/** What is wrong, and what to do about it. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiError) {
    const fields = error.errors.map(({ field, message }) =>
      // Most messages begin with the field.
      message.startsWith(field) ? `  ${message}` : `  ${field} ${message}`,
    );
    const advice = error.status === 401 ? 'Log in with: zerostate login' : undefined;
    const trace = error.status >= 500 && error.traceId ? `trace_id ${error.traceId}` : undefined;
    return [`${error.message} (${error.code})`, ...fields, advice, trace].filter(Boolean).join('\n');
  }
  if (error instanceof ZeroStateError && error.code === 'SIGNED_OUT') return 'Log in first: zerostate login';
  if (error instanceof TaskError) return `Task ${error.task.id} ${error.task.status}: ${error.message} (${error.code})`;
  if (error instanceof ConnectionError)
    return `${error.message} Is the address right? Set it by --url or ZEROSTATE_URL.`;
  return (error as Error).message;
}
