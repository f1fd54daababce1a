import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import { AccessTokens, bearerToken, DASHBOARD_COOKIE, DASHBOARD_LINK } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { DASHBOARD_PATH, QueueDashboard } from '../queue/index.js';

const COOKIE = 'zerostate_dashboard';

/**
 * Serves the queue's dashboard to admins, by their access token as everywhere. A page in a browser cannot send that with its own
 * requests, so there an admin asks the API for a link (`POST /api/v1/queue/dashboard`); the link's pass, good for a minute, becomes a cookie of this path alone, which
 * the API does not take. Access that is taken back holds at the next request.
 */
export function serveQueueDashboard(app: NestExpressApplication): void {
  const tokens = app.get(AccessTokens);
  const page = app.get(QueueDashboard, { strict: false }).page();
  app.use(DASHBOARD_PATH, (request: Request, response: Response, next: NextFunction) => {
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD') throw readOnly();
      const { pass } = request.query;
      const token = bearerToken(request);
      const caller = token
        ? tokens.verify(token)
        : typeof pass === 'string'
          ? tokens.verifyPass(pass, DASHBOARD_LINK)
          : tokens.verifyPass(cookieOf(request), DASHBOARD_COOKIE);
      if (caller.role !== 'admin') throw new AppError('forbidden', 'ROLE_REQUIRED', 'This needs the role admin.');
      if (typeof pass !== 'string' || token) return page(request, response, next);
      // Good no longer than the access token or key that the link was asked for with; then the admin asks for another link.
      response.cookie(COOKIE, tokens.issuePass(caller, DASHBOARD_COOKIE), {
        path: DASHBOARD_PATH,
        httpOnly: true,
        sameSite: 'strict',
        secure: request.secure,
      });
      response.redirect(303, DASHBOARD_PATH);
    } catch (error) {
      next(error instanceof AppError && error.kind === 'unauthorised' ? noPass() : error);
    }
  });
}

const cookieOf = ({ headers }: Request): string =>
  new RegExp(`(?:^|; *)${COOKIE}=([\\w.-]+)`).exec(headers.cookie ?? '')?.[1] ?? '';

const noPass = (): AppError =>
  new AppError(
    'unauthorised',
    'PASS_REQUIRED',
    'Open the dashboard by the link that POST /api/v1/queue/dashboard answers to an admin; it is good for a minute.',
  );

const readOnly = (): AppError =>
  new AppError('forbidden', 'READ_ONLY', 'The dashboard only shows: pause, resume, drain and cancel by the API.');
