import type { NextFunction, Request, Response } from 'express';
import { histogram } from './metrics.js';

const requests = histogram(
  'http_request_duration_seconds',
  'Time from the headers of a request to the end of its answer; streams of events, and answers waited for on request (Prefer: wait), are left out.',
  ['method', 'route', 'status'],
);

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Middleware that measures every request, under its route's template: paths would be a time series for every id. */
export function measureRequests(request: Request, response: Response, next: NextFunction): void {
  const startedAt = performance.now();
  response.once('close', () => {
    if (isEventStream(response) || response.hasHeader('preference-applied')) return;
    const seconds = (performance.now() - startedAt) / 1000;
    const method = METHODS.has(request.method) ? request.method : 'other';
    requests.observe({ method, route: routeOf(request), status: statusOf(response) }, seconds);
  });
  next();
}

/** `/api/v1/tasks/:id`; `none` for what no route answers. */
export const routeOf = (request: Request): string => {
  const path: unknown = request.route?.path;
  return typeof path === 'string' ? path : 'none';
};

/** 499, nginx's number, for a client that left before the end of the answer. */
export const statusOf = (response: Response): number => (response.writableFinished ? response.statusCode : 499);

const isEventStream = (response: Response): boolean =>
  String(response.getHeader('content-type') ?? '').startsWith('text/event-stream');
