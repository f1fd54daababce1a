import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';
import { AppError } from '../common/app-error.js';
import type { Environment } from '../config/index.js';
import { WebSocketAdapter } from '../gateway/index.js';
import { setUpSwagger } from './swagger.js';

/** Room for the members of a task beside its input. Bytes. */
const BODY_MARGIN = 64 * 1024;

/** Everything about HTTP that is not a route: prefix, headers, bodies, origins, Swagger, WebSocket. */
export async function configureHttp(app: NestExpressApplication, { server, tasks }: Environment): Promise<void> {
  app.setGlobalPrefix('api/v1', { exclude: ['health/live', 'health/ready'] });
  app.disable('x-powered-by');
  app.use(helmet());
  if (server.corsOrigins.length > 0) app.enableCors({ origin: [...server.corsOrigins] });
  app.use(refuseOtherBodies);
  app.useBodyParser('json', { limit: tasks.maxInputBytes + BODY_MARGIN });
  app.useWebSocketAdapter(new WebSocketAdapter(app, server.corsOrigins));
  setUpSwagger(app);
}

/** A body no parser reads would reach its route as if it were empty. Multipart bodies are read by the upload itself. */
function refuseOtherBodies(request: Request, _response: Response, next: NextFunction): void {
  // `is` answers null for a request without a body.
  if (request.is(['json', 'multipart/form-data']) !== false) return next();
  next(new AppError('unsupported', 'UNSUPPORTED_MEDIA_TYPE', 'Send JSON with `Content-Type: application/json`.'));
}
