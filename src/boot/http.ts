import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';
import { AppError } from '../common/app-error.js';
import { ProblemFilter } from '../common/problem.filter.js';
import { stringify } from '../common/raw-json.js';
import { spending } from '../common/work-context.js';
import type { Environment } from '../config/index.js';
import { WebSocketAdapter } from '../gateway/index.js';
import { guardMcp, MCP_PATH, METADATA_PATH } from '../mcp/index.js';
import { measureRequests, traceAndLog } from '../observability/index.js';
import {
  admitEveryRequest,
  bodyReader,
  chargeCosts,
  Costs,
  endFaultyFraming,
  guardAgainstFloods,
  hasBody,
  limitAnswerTime,
  limitBodiesUnderWay,
  limitBodyTime,
  limitConnections,
  maxBodyBytes,
  refuseManyHeaders,
  shedLoad,
  soundAddress,
} from '../protection/index.js';
import { ConsoleFiles } from './console.js';
import { serveLanding } from './landing.js';
import { serveQueueDashboard } from './queue-dashboard.js';
import { setUpSwagger } from './swagger.js';

/** Headers of answers that scripts of other origins may read. */
const READABLE = [
  'ETag',
  'Location',
  'Preference-Applied',
  'RateLimit',
  'RateLimit-Limit',
  'RateLimit-Policy',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'Retry-After',
  'traceresponse',
];

/**
 * All HTTP settings except routes: prefix, headers, bodies, origins, Swagger, WebSocket, the console.
 * @returns the console, if this build has one
 */
export async function configureHttp(
  app: NestExpressApplication,
  { mcp, server, tasks, protection }: Environment,
): Promise<ConsoleFiles | undefined> {
  limitConnections(app.getHttpServer(), protection);
  admitEveryRequest(app.getHttpServer());
  app.setGlobalPrefix('api/v1', { exclude: ['health/live', 'health/ready', 'metrics', MCP_PATH, METADATA_PATH] });
  app.disable('x-powered-by');
  app.set('trust proxy', protection.trustProxy);
  app.use(nameSender);
  setHeaders(app, server.corsOrigins);
  app.use(refuseManyHeaders);
  app.use(endFaultyFraming);
  const refuseFloods = guardAgainstFloods(app.getHttpServer(), protection);
  app.use(refuseFloods);
  app.use(limitAnswerTime(protection.bodyTimeoutMs));
  app.use(traceAndLog);
  app.use(measureRequests);
  const costs = app.get(Costs, { strict: false });
  app.use(chargeCosts(costs));
  app.use(shedLoad(app.getHttpServer(), protection.maxLagMs, costs));
  if (server.corsOrigins.length > 0) app.use(endPreflight);
  serveQueueDashboard(app);
  app.use(MCP_PATH, guardMcp(mcp));
  app.use(refuseOtherBodies);
  if (protection.rateLimits) app.use(limitBodiesUnderWay(maxBodyBytes(tasks)));
  const problems = new ProblemFilter();
  app.use(limitBodyTime(protection.bodyTimeoutMs, (...failed) => problems.answer(...failed)));
  embedDocuments(app);
  app.useWebSocketAdapter(new WebSocketAdapter(app, server.corsOrigins));
  setUpSwagger(app);
  const files = ConsoleFiles.load();
  files?.serveAssets(app);
  serveLanding(app, files);
  return files;
}

/**
 * Answers unknown paths, and errors before a route. Below the prefix Nest does this; elsewhere Express would answer in
 * HTML with the stack. Runs after the routes, once the application is initialised.
 */
export function answerTheRest(app: NestExpressApplication, files: ConsoleFiles | undefined): void {
  const problems = new ProblemFilter();
  if (files) app.use(files.deepLinks());
  app.use((request: Request, _response: Response, next: NextFunction) =>
    next(new AppError('not_found', 'NO_SUCH_ROUTE', `Cannot ${request.method} ${request.path}`)),
  );
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) =>
    problems.answer(error, request, response),
  );
}

/** From here on `request.ip` is an address, whatever a proxy has sent. */
function nameSender(request: Request, _response: Response, next: NextFunction): void {
  const { ip, socket } = request;
  const address = soundAddress(ip, socket);
  if (address !== ip) Object.defineProperty(request, 'ip', { value: address });
  next();
}

/** Runs before any refusal, because browsers read refusals too. */
function setHeaders(app: NestExpressApplication, corsOrigins: readonly string[]): void {
  // Over plain HTTP, as in a private network, upgraded requests would fail.
  app.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }));
  if (corsOrigins.length === 0) return;
  app.enableCors({ origin: [...corsOrigins], exposedHeaders: READABLE, preflightContinue: true });
}

/** Sends documents in answers as their original text, which Express would parse. */
function embedDocuments(app: NestExpressApplication): void {
  const { response } = app.getHttpAdapter().getInstance() as { response: Response };
  response.json = function (this: Response, body: unknown) {
    if (!this.get('Content-Type')) this.set('Content-Type', 'application/json');
    return spending(() => this.send(stringify(body)));
  };
}

/** A preflight request; its headers are the answer. */
function endPreflight(request: Request, response: Response, next: NextFunction): void {
  if (request.method !== 'OPTIONS') return next();
  response.status(204).setHeader('Content-Length', '0').end();
}

/** A body that no parser reads would reach its route as if it were empty. The upload reads forms itself. */
function refuseOtherBodies(request: Request, _response: Response, next: NextFunction): void {
  if (!hasBody(request) || bodyReader(request) !== 'nobody') return next();
  next(new AppError('unsupported', 'UNSUPPORTED_MEDIA_TYPE', 'Send JSON with `Content-Type: application/json`.'));
}
