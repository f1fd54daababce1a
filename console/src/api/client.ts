import createClient from 'openapi-fetch';
import { ApiProblem } from './problem';
import type { components, paths } from './schema';
import { accessToken, replace } from './session';

export type Schemas = components['schemas'];

/** Sends with the access token; once more with a new one when the server refuses the first. */
async function authorised(request: Request): Promise<Response> {
  const again = request.clone();
  const token = await accessToken();
  const response = await send(request, token);
  return response.status === 401 ? send(again, await replace(token)) : response;
}

function send(request: Request, token: string): Promise<Response> {
  request.headers.set('authorization', `Bearer ${token}`);
  return fetch(request).catch((error: Error) => {
    throw error.name === 'AbortError' ? error : ApiProblem.unreachable();
  });
}

/** The typed client of the API, signed in as the user of the page. */
export const api = createClient<paths>({ fetch: authorised });

/** @returns the body of an answer. @throws ApiProblem */
export async function unwrap<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T extends undefined ? never : T> {
  const { data, error, response } = await call;
  if (!response.ok) throw ApiProblem.from(response, error as never);
  return data as never;
}

/** For bodies that are not of the typed client: documents, forms. @throws ApiProblem */
export async function rawFetch(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await authorised(new Request(new URL(path, location.origin), init));
  if (!response.ok) throw await ApiProblem.of(response);
  return response;
}
