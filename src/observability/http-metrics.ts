import type { NextFunction, Request, Response } from 'express';
import { counter, histogram } from './metrics.js';

const requests = counter('http_requests_total', 'Requests answered, however long that took, floods refused aside.', [
  'method',
  'route',
  'status',
]);

const duration = histogram(
  'http_request_duration_seconds',
  'Time from the headers of a request to the end of its answer; streams of events, and requests that ask to be kept waiting (Prefer: wait), are left out.',
  ['method', 'route', 'status'],
);

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Middleware that counts every request, and measures those that are answered as soon as they can be. Routes go by their
 * template: paths would be a time series for every id.
 */
export function measureRequests(request: Request, response: Response, next: NextFunction): void {
  const startedAt = performance.now();
  response.once('close', () => {
    const method = METHODS.has(request.method) ? request.method : 'other';
    const labels = { method, route: routeOf(request), status: statusOf(response) };
    requests.inc(labels);
    if (isEventStream(response) || asksToWait(request)) return;
    duration.observe(labels, (performance.now() - startedAt) / 1000);
  });
  next();
}

/** `/api/v1/tasks/:id`; `none` for what no route answers. */
export const routeOf = (request: Request): string => {
  const path: unknown = request.route?.path;
  return typeof path === 'string' ? path : 'none';
};

/** 499, nginx's number, for a client that left before the end of the answer; a stream of events has none. */
export const statusOf = (response: Response): number =>
  response.writableFinished || isEventStream(response) ? response.statusCode : 499;

const isEventStream = (response: Response): boolean =>
  String(response.getHeader('content-type') ?? '').startsWith('text/event-stream');

/** Also of a client that left before it was answered, whose patience is no measure of the server. */
const asksToWait = (request: Request): boolean => /\bwait\b/i.test(request.header('prefer') ?? '');
