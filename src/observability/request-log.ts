import { Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { newId } from '../common/ids.js';
import { traceIdOf, within, workContext } from '../common/work-context.js';
import { routeOf, statusOf } from './http-metrics.js';
import { tellRoutine } from './logging.js';

const logger = new Logger('Http');

/**
 * Middleware that gives every request its trace and, once it is over, its line in the log. Routes are told by their
 * template and subjects by their ids: addresses may carry signatures.
 */
export function traceAndLog(request: Request, response: Response, next: NextFunction): void {
  const startedAt = performance.now();
  within({ trace_id: traceIdOf(request.header('traceparent')) ?? newId() }, () => {
    const context = workContext();
    response.once('close', () => {
      if (request.path.startsWith('/health')) return;
      tellRoutine(logger, {
        ...context,
        ...subjectsOf(request, response),
        method: request.method,
        route: routeOf(request),
        status: statusOf(response),
        duration_ms: Math.round((performance.now() - startedAt) * 10) / 10,
        msg: 'request',
      });
    });
    next();
  });
}

/** The task or agent that a request is about, from its path or from the address of what it made. */
function subjectsOf(request: Request, response: Response): { task_id?: string; agent_id?: string } {
  const made = String(response.getHeader('location') ?? '');
  const [, kind, id] = /^\/api\/v1\/(tasks|agents)\/([\w.-]{1,64})(?:\/|$)/.exec(made || request.path) ?? [];
  if (!id || (!made && request.params.id === undefined)) return {};
  return kind === 'tasks' ? { task_id: id } : { agent_id: id };
}
