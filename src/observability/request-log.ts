import { Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { isId } from '../common/ids.js';
import { toTraceparent } from '../common/trace-context.js';
import { toLogFields, type WorkContext, within } from '../common/work-context.js';
import { routeOf, statusOf } from './http-metrics.js';
import { tellRoutine } from './logging.js';
import { enterTrace, isTracing, markFailed, SpanKind } from './tracing.js';

const logger = new Logger('Http');

/**
 * Middleware that gives each request its place in a trace (the caller's, or a new one). At its end it writes the
 * request's log line and span. Routes are logged by template and subjects by id, because addresses may carry
 * signatures. Health checks are not logged.
 */
export function traceAndLog(request: Request, response: Response, next: NextFunction): void {
  const startedAt = performance.now();
  const { span, place } = enterTrace(request.method, request.header('traceparent'), {
    kind: SpanKind.SERVER,
    isRemote: true,
  });
  // The name in the W3C draft (Trace Context, level 2), which also calls it the response's `traceparent`.
  if (isTracing()) response.setHeader('traceresponse', toTraceparent(place));
  const context: WorkContext = { trace: place };
  within(context, () => {
    response.once('close', () => {
      if (request.path.startsWith('/health')) return;
      Object.assign(context, subjectsOf(request, response));
      const route = routeOf(request);
      const status = statusOf(response);
      const duration_ms = Math.round((performance.now() - startedAt) * 10) / 10;
      const { method } = request;
      tellRoutine(logger, {
        ...toLogFields(context),
        method,
        route,
        status,
        duration_ms,
        msg: 'request',
      });
      span.updateName(`${method} ${route}`).setAttributes({
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': status,
        'user.id': context.user_id,
        'zerostate.task.id': context.task_id,
        'zerostate.agent.id': context.agent_id,
      });
      if (status >= 500) markFailed(span, { code: String(status), message: response.statusMessage });
      span.end();
    });
    next();
  });
}

/**
 * The task or agent that a request is about, from its path or from the address of what it created. If the path names an
 * agent by slug, the code that looks it up reports it to the `WorkContext`.
 */
function subjectsOf(request: Request, response: Response): { task_id?: string; agent_id?: string } {
  const addresses = [request.path, String(response.getHeader('location') ?? '')];
  for (const address of addresses) {
    const [, kind, id] = /^\/api\/v1\/(tasks|agents)\/([^/]+)/.exec(address) ?? [];
    if (id && isId(id)) return kind === 'tasks' ? { task_id: id } : { agent_id: id };
  }
  return {};
}
