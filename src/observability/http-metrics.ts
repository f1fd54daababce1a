import type { NextFunction, Request, Response } from 'express';
import { counter, histogram } from './metrics.js';

const requests = counter('http_requests_total', 'Requests answered, except refused floods.', [
  'method',
  'route',
  'status',
]);

const duration = histogram(
  'http_request_duration_seconds',
  'Time from the headers of a request to the end of its answer, except event streams and requests that ask to wait (Prefer: wait).',
  ['method', 'route', 'status'],
);

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Middleware that counts every request, and measures those that are answered at once. Routes are labelled by template:
 * paths would create a time series for every id.
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

/** `/api/v1/tasks/:id`; `none` if no route answers. */
export const routeOf = (request: Request): string => {
  const path: unknown = request.route?.path;
  return typeof path === 'string' ? path : 'none';
};

/** 499, nginx's code, for a client that left before the end of the answer. An event stream has no end. */
export const statusOf = (response: Response): number =>
  response.writableFinished || isEventStream(response) ? response.statusCode : 499;

const isEventStream = (response: Response): boolean =>
  String(response.getHeader('content-type') ?? '').startsWith('text/event-stream');

/** A client that left early is not measured: its waiting time says nothing about the server. */
const asksToWait = (request: Request): boolean => /\bwait\b/i.test(request.header('prefer') ?? '');
