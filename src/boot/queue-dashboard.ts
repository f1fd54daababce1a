import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import {
  AccessTokens,
  bearerToken,
  type Caller,
  DASHBOARD_COOKIE,
  DASHBOARD_LINK,
  OneTimeTokens,
  roleRequired,
} from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { DASHBOARD_PATH, QueueDashboard } from '../queue/index.js';

const COOKIE = 'zerostate_dashboard';

/**
 * Serves the queue's dashboard to admins, by their access token as everywhere. A page in a browser cannot send that with its own
 * requests. So an admin asks the API for a link (`POST /api/v1/queue/dashboard`). Its pass is good for a minute and for one use: it
 * becomes a cookie of this path alone, which the API does not take. Access that is taken back ends at the next request.
 */
export function serveQueueDashboard(app: NestExpressApplication): void {
  const tokens = app.get(AccessTokens);
  const oneTime = app.get(OneTimeTokens);
  const page = app.get(QueueDashboard, { strict: false }).page();

  const enter = async (pass: string, request: Request, response: Response): Promise<void> => {
    const { jwtid, ...caller } = tokens.verifyPass(pass, DASHBOARD_LINK);
    assertAdmin(caller);
    // Programs that look ahead at links ask for the head alone, and must not use the link up.
    if (request.method === 'GET') {
      if (!jwtid || !(await oneTime.spend('queue_dashboard', jwtid))) throw noPass();
      // Good no longer than the access token or key that the link was asked for with; then the admin asks for another link.
      response.cookie(COOKIE, tokens.issuePass(caller, DASHBOARD_COOKIE), {
        path: DASHBOARD_PATH,
        httpOnly: true,
        sameSite: 'strict',
        secure: request.secure,
      });
    }
    response.redirect(303, DASHBOARD_PATH);
  };

  app.use(DASHBOARD_PATH, async (request: Request, response: Response, next: NextFunction) => {
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD') throw readOnly();
      const { pass } = request.query;
      const token = bearerToken(request);
      if (!token && typeof pass === 'string') return await enter(pass, request, response);
      assertAdmin(token ? tokens.verify(token) : tokens.verifyPass(cookieOf(request), DASHBOARD_COOKIE));
      page(request, response, next);
    } catch (error) {
      next(error instanceof AppError && error.kind === 'unauthorised' ? noPass() : error);
    }
  });
}

function assertAdmin({ role }: Caller): void {
  if (role !== 'admin') throw roleRequired();
}

const cookieOf = ({ headers }: Request): string =>
  new RegExp(`(?:^|; *)${COOKIE}=([\\w.-]+)`).exec(headers.cookie ?? '')?.[1] ?? '';

const noPass = (): AppError =>
  new AppError(
    'unauthorised',
    'PASS_REQUIRED',
    'Open the dashboard by a link that POST /api/v1/queue/dashboard answers to an admin: it is good for a minute and for one use.',
  );

const readOnly = (): AppError =>
  new AppError('forbidden', 'READ_ONLY', 'The dashboard only shows: pause, resume, drain and cancel by the API.');
