import type { Request, Response } from 'express';
import { AppError } from '../common/app-error.js';

/** Browsers send the cookie to these routes only, so no other route can be called by it. */
export const SESSION_PATH = '/api/v1/auth/session';

const COOKIE = 'zerostate_session';

/** Keeps a refresh token where scripts cannot read it, until the login ends. */
export function keepToken(request: Request, response: Response, token: string, expires: Date): void {
  response.cookie(COOKIE, token, { ...attributes(request), expires });
}

export function forgetToken(request: Request, response: Response): void {
  response.clearCookie(COOKIE, attributes(request));
}

/** @returns the refresh token that the browser keeps; '' when it has none */
export const tokenOf = ({ headers }: Pick<Request, 'headers'>): string =>
  new RegExp(`(?:^|; *)${COOKIE}=([\\w.-]+)`).exec(headers.cookie ?? '')?.[1] ?? '';

const attributes = (request: Request) =>
  ({ path: SESSION_PATH, httpOnly: true, sameSite: 'strict', secure: request.secure }) as const;

/**
 * Protects routes that use the cookie from pages of other sites. Browsers state where a request comes from in
 * `Sec-Fetch-Site`, which scripts cannot set. They leave it out over plain HTTP, except on this machine; there the
 * host of `Origin` must be the host that was called. A request with neither header is refused.
 * @throws AppError `forbidden` `CROSS_SITE_REQUEST`
 */
export function assertSameOrigin({ headers }: Pick<Request, 'headers'>): void {
  const site = headers['sec-fetch-site'];
  if (site === undefined ? hostOf(headers.origin) === headers.host && headers.host : site === 'same-origin') return;
  throw new AppError(
    'forbidden',
    'CROSS_SITE_REQUEST',
    'Only the console of this server may use this route. Programs log in with POST /api/v1/auth/login.',
  );
}

function hostOf(origin: string | undefined): string | undefined {
  return origin && URL.canParse(origin) ? new URL(origin).host : undefined;
}
