import type { Schemas } from './api-types.js';
import { pauseBefore, sleep } from './backoff.js';
import { Authorisation, type Credentials } from './credentials.js';
import { ApiError, ConnectionError, retryAfterSeconds } from './errors.js';

export interface ClientOptions {
  /** Address of the server, such as `https://market.example.org`. */
  url: string;
  credentials?: Credentials;
  /** How often a failed request is sent again, where that is safe. Default: 4. */
  maxRetries?: number;
  /** Without an answer for so long, a request fails, ms. Default: 60,000. */
  timeoutMs?: number;
  /** The longest `Retry-After` that is waited for, ms; a longer one fails at once. Default: 60,000. */
  maxRetryAfterMs?: number;
  /** In place of the global `fetch`. */
  fetch?: typeof fetch;
}

export interface Outgoing {
  method: string;
  /** Below `/api/v1`, such as `/tasks`. */
  path: string;
  query?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** Called for each try: a stream can be read once. */
  body?: () => string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  signal?: AbortSignal;
  /** Whether sending it twice does no harm. Others are sent again only if the server has surely done nothing. */
  isRepeatable: boolean;
  /** For answers that go on without end: only their beginning is waited for. */
  isStream?: boolean;
}

/** The server says by these that it is the wrong moment. */
const PASSING = new Set([429, 502, 503, 504]);

/** Sends requests: with a token that is renewed when it must be, and again after passing faults. */
export class Transport {
  readonly base: string;
  private readonly authorisation: Authorisation;
  private readonly fetch: typeof fetch;
  private readonly maxRetries: number;
  private readonly timeoutMs: number;
  private readonly maxRetryAfterMs: number;

  constructor(options: ClientOptions) {
    this.base = `${options.url.replace(/\/+$/, '')}/api/v1`;
    this.fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
    this.maxRetries = options.maxRetries ?? 4;
    this.timeoutMs = options.timeoutMs ?? 60_000;
    this.maxRetryAfterMs = options.maxRetryAfterMs ?? 60_000;
    this.authorisation = new Authorisation(options.credentials, async (path, body) => {
      const request = jsonRequest('POST', path, body);
      // Within ten seconds, the server gives the same answer again to a refresh token that was used.
      const response = await this.withRetries({ ...request, isRepeatable: true }, () => this.fetchOnce(request));
      return (await response.json()) as Schemas['SessionDto'];
    });
  }

  /** @returns an answer of success. @throws ApiError, ConnectionError, the reason of the signal */
  send(request: Outgoing): Promise<Response> {
    return this.withRetries(request, () => this.authorised(request));
  }

  /** Gives what other senders than `fetch` need. @throws ApiError when the login has ended */
  async authorisedHeaders(headers: Record<string, string> = {}): Promise<Record<string, string>> {
    const token = await this.authorisation.token();
    return { ...headers, ...(token && { authorization: `Bearer ${token}` }) };
  }

  private async authorised(request: Outgoing): Promise<Response> {
    const token = await this.authorisation.token();
    const response = await this.fetchOnce(request, token);
    if (response.status !== 401 || token === undefined) return response;
    const other = await this.authorisation.replace(token);
    if (other === undefined) return response;
    await response.body?.cancel();
    return this.fetchOnce(request, other);
  }

  /** Tries again after passing faults. @param attempt may throw a ConnectionError */
  async withRetries(request: Pick<Outgoing, 'signal' | 'isRepeatable'>, attempt: () => Promise<Response>) {
    for (let retry = 1; ; retry++) {
      request.signal?.throwIfAborted();
      const last = retry > this.maxRetries;
      let pause = pauseBefore(retry);
      try {
        const response = await attempt();
        if (response.ok || response.status === 304) return response;
        const isSafe = response.status === 429 || request.isRepeatable;
        const waitMs = (retryAfterSeconds(response.headers) ?? 0) * 1000;
        if (last || !isSafe || !PASSING.has(response.status) || waitMs > this.maxRetryAfterMs)
          throw await ApiError.of(response);
        await response.body?.cancel();
        pause = Math.max(pause, waitMs);
      } catch (error) {
        if (last || !request.isRepeatable || !(error instanceof ConnectionError)) throw error;
      }
      await sleep(pause, request.signal);
    }
  }

  private async fetchOnce(request: Outgoing, token?: string): Promise<Response> {
    const { method, signal, isStream } = request;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), this.timeoutMs);
    const body = request.body?.();
    const init = {
      method,
      headers: { ...request.headers, ...(token && { authorization: `Bearer ${token}` }) },
      body,
      signal: signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal,
      ...(body instanceof ReadableStream && { duplex: 'half' as const }),
    };
    try {
      const response = await this.fetch(addressOf(this.base, request), init);
      if (isStream && response.ok) return response;
      // The time limit covers the body as well, so it is read here.
      const bytes = await response.arrayBuffer();
      const { status, statusText, headers } = response;
      return new Response(bytes.byteLength > 0 ? bytes : null, { status, statusText, headers });
    } catch (error) {
      signal?.throwIfAborted();
      if (timeout.signal.aborted)
        throw new ConnectionError('TIMED_OUT', `The server did not answer within ${this.timeoutMs / 1000} s.`);
      throw new ConnectionError('UNREACHABLE', `${new URL(this.base).origin} cannot be reached (${reasonOf(error)}).`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

export const addressOf = (base: string, { path, query = {} }: Pick<Outgoing, 'path' | 'query'>): string => {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return `${base}${path}${text && `?${text}`}`;
};

export const jsonRequest = (method: string, path: string, body: unknown): Outgoing => ({
  method,
  path,
  ...(body !== undefined && {
    headers: { 'content-type': 'application/json' },
    body: () => JSON.stringify(body),
  }),
  isRepeatable: method !== 'POST' && method !== 'PATCH',
});

/** `fetch` hides the reason in the cause. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message;
}
