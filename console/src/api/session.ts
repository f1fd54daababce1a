import { useSyncExternalStore } from 'react';
import { ApiProblem } from './problem';
import type { components } from './schema';

type Answer = components['schemas']['BrowserSessionDto'];
export type User = components['schemas']['UserDto'];

export type Session =
  { status: 'restoring' } | { status: 'out'; reason?: string } | { status: 'in'; user: User; refreshEndsAt: string };

/** Says only that there may be a cookie, so that a first visit asks for nothing. */
const HINT = 'zerostate.signed-in';
/** An access token is renewed this long before it expires, ms. */
const EARLY_MS = 60_000;

/**
 * The login of this page. The access token is in this module's memory alone; the refresh token is in a cookie that no
 * script can read.
 */
let session: Session = localStorage.getItem(HINT) ? { status: 'restoring' } : { status: 'out' };
let access: { token: string; expiresAt: number } | undefined;
let renewal: Promise<void> | undefined;
let timer: number | undefined;
const listeners = new Set<() => void>();
const tokenListeners = new Set<(token: string) => void>();

export function useSession(): Session {
  return useSyncExternalStore(subscribe, () => session);
}

/** The signed-in user. Only for components inside the signed-in part. */
export function useUser(): User {
  const current = useSession();
  if (current.status !== 'in') throw new Error('No account is signed in.');
  return current.user;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls back with each new access token: a live connection must learn of it before the old one expires. */
export function onToken(listener: (token: string) => void): () => void {
  tokenListeners.add(listener);
  return () => tokenListeners.delete(listener);
}

/** Continues the login that the cookie holds. Runs once, at the start of the page. */
export async function restore(): Promise<void> {
  if (session.status !== 'restoring') return;
  await renew().catch(() => undefined);
}

export async function signIn(email: string, password: string): Promise<void> {
  accept(await post('login', { email, password }));
}

export async function register(email: string, password: string): Promise<void> {
  accept(await post('register', { email, password }));
}

export async function signOut(): Promise<void> {
  const token = await accessToken().catch(() => undefined);
  // First, so that no page asks with a login that has ended.
  end();
  if (token) await post('logout', undefined, token).catch(() => undefined);
}

/** Forgets the login. @param reason a sentence for the sign-in page */
export function end(reason?: string): void {
  window.clearTimeout(timer);
  access = undefined;
  localStorage.removeItem(HINT);
  change({ status: 'out', reason });
}

/** @returns an access token that is good for now. @throws ApiProblem when there is none */
export async function accessToken(): Promise<string> {
  if (!access || access.expiresAt < Date.now() + 5000) await renew();
  if (!access) throw new ApiProblem(401, { detail: 'Sign in again.', code: 'SIGNED_OUT' });
  return access.token;
}

/** Drops an access token that the server has refused, and asks for another. @throws ApiProblem */
export async function replace(refused: string): Promise<string> {
  if (access?.token === refused) access = undefined;
  return accessToken();
}

/** All callers share one request: a refresh token is good once. */
function renew(): Promise<void> {
  renewal ??= post('refresh')
    .then(accept, (error: ApiProblem) => {
      const isOver = error.status === 401 || error.status === 403;
      if (isOver) end(session.status === 'in' ? 'Your login has ended. Sign in again to continue here.' : undefined);
      // Away or overloaded: the cookie may still be good.
      else if (session.status === 'restoring') window.setTimeout(() => void renew().catch(() => undefined), 2000);
      throw error;
    })
    .finally(() => (renewal = undefined));
  return renewal;
}

function accept(answer: Answer): void {
  access = { token: answer.access_token, expiresAt: Date.now() + answer.expires_in * 1000 };
  localStorage.setItem(HINT, '1');
  window.clearTimeout(timer);
  const inMs = Math.max(answer.expires_in * 1000 - EARLY_MS, 10_000);
  timer = window.setTimeout(() => void renew().catch(() => undefined), inMs);
  change({ status: 'in', user: answer.user, refreshEndsAt: answer.refresh_expires_at });
  for (const listener of tokenListeners) listener(answer.access_token);
}

function change(next: Session): void {
  const isSame =
    session.status === 'in' && next.status === 'in' && JSON.stringify(session.user) === JSON.stringify(next.user);
  session = isSame ? { ...next, user: (session as { user: User }).user } : next;
  for (const listener of listeners) listener();
}

async function post(route: string, body?: object, token?: string): Promise<Answer> {
  const response = await fetch(`/api/v1/auth/session/${route}`, {
    method: 'POST',
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: body && JSON.stringify(body),
  }).catch(() => {
    throw ApiProblem.unreachable();
  });
  if (!response.ok) throw await ApiProblem.of(response);
  return response.status === 204 ? (undefined as never) : ((await response.json()) as Answer);
}
