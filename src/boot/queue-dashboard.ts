import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
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
import { QUEUE_PAGE, QUEUE_PAGE_PATH } from '../queue/index.js';

const COOKIE = 'zerostate_dashboard';

/**
 * Serves the queue's dashboard to admins, by their access token. A page in a browser cannot send a token with its own
 * requests, so an admin asks the API for a link (`POST /api/v1/queue/dashboard`). The link is good for a minute and for
 * one use. It becomes a cookie for this path, which the API does not accept. Revoked access ends at the next request.
 */
export function serveQueueDashboard(app: NestExpressApplication): void {
  const tokens = app.get(AccessTokens);
  const oneTime = app.get(OneTimeTokens);
  const page = app.get<RequestHandler>(QUEUE_PAGE, { strict: false });

  const enter = async (pass: string, request: Request, response: Response): Promise<void> => {
    const { jwtid, ...caller } = tokens.verifyPass(pass, DASHBOARD_LINK);
    assertAdmin(caller);
    // Programs that preview links send HEAD, and must not use the link up.
    if (request.method === 'GET') {
      if (!jwtid || !(await oneTime.spend('queue_dashboard', jwtid))) throw noPass();
      // Good no longer than the access token or key that requested the link; then the admin asks for another.
      response.cookie(COOKIE, tokens.issuePass(caller, DASHBOARD_COOKIE), {
        path: QUEUE_PAGE_PATH,
        httpOnly: true,
        sameSite: 'strict',
        secure: request.secure,
      });
    }
    response.redirect(303, QUEUE_PAGE_PATH);
  };

  app.use(QUEUE_PAGE_PATH, async (request: Request, response: Response, next: NextFunction) => {
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
    'Open the dashboard by a link from POST /api/v1/queue/dashboard (admins only). A link works once, within a minute.',
  );

const readOnly = (): AppError =>
  new AppError('forbidden', 'READ_ONLY', 'The dashboard is read-only: use the API to pause, resume, drain and cancel.');
