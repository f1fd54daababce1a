import { describe, expect, it } from '@jest/globals';
import { ApiError, ConnectionError, hasCode, retryAfterSeconds } from '../../sdk/src/errors.js';
import { readEvents } from '../../sdk/src/server-sent-events.js';
import { ZeroState } from '../../sdk/src/index.js';

type Reply = Response | Error;

/** A server whose answers are given in advance; the last one is repeated. */
function serverOf(...replies: Reply[]) {
  const requests: { url: string; init: RequestInit }[] = [];
  const fetch = async (url: unknown, init?: RequestInit): Promise<Response> => {
    requests.push({ url: String(url), init: init! });
    const reply = replies.length > 1 ? replies.shift()! : replies[0];
    if (reply instanceof Error) throw reply;
    return reply.clone();
  };
  return { requests, fetch: fetch as typeof globalThis.fetch };
}

const json = (body: unknown, status = 200, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
const problem = (status: number, code: string, headers = {}) => json({ status, code, detail: code }, status, headers);
const tokenUntil = (ms: number) => `a.${btoa(JSON.stringify({ exp: (Date.now() + ms) / 1000 }))}.c`;
const session = (name: string) =>
  json({ access_token: `${name}-access`, refresh_token: `${name}-refresh`, expires_in: 900 });
const bearerOf = ({ init }: { init: RequestInit }) => new Headers(init.headers).get('authorization');

describe('requests of the SDK', () => {
  const task = { required_capabilities: ['x'], budget: 1, input: {} };
  const url = 'http://market.test/';

  it('repeat a submission under one idempotency key until the server is back', async () => {
    const { requests, fetch } = serverOf(
      new TypeError('fetch failed'),
      problem(503, 'OVERLOADED'),
      json({ id: 't' }, 202),
    );
    const submitted = await new ZeroState({ url, fetch }).tasks.submit(task);
    expect(submitted.id).toBe('t');
    const keys = requests.map(({ init }) => new Headers(init.headers).get('idempotency-key'));
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(requests[0].url).toBe('http://market.test/api/v1/tasks');
  });

  it('are sent once where a repetition could do something twice', async () => {
    const { requests, fetch } = serverOf(problem(503, 'OVERLOADED'));
    const refused = new ZeroState({ url, fetch }).tasks.cancel('t');
    await expect(refused).rejects.toMatchObject({ code: 'OVERLOADED', status: 503 });
    expect(requests).toHaveLength(1);
  });

  it('end with a typed error once the retries are used up, and at once when the wait would be too long', async () => {
    const away = serverOf(new TypeError('fetch failed'));
    const client = new ZeroState({ url, fetch: away.fetch, maxRetries: 1 });
    await expect(client.tasks.get('t')).rejects.toBeInstanceOf(ConnectionError);
    expect(away.requests).toHaveLength(2);
    const busy = serverOf(problem(429, 'RATE_LIMITED', { 'retry-after': '3600' }));
    const error: unknown = await new ZeroState({ url, fetch: busy.fetch }).tasks.get('t').catch((it: unknown) => it);
    expect(error).toBeInstanceOf(ApiError);
    expect(hasCode(error, 'RATE_LIMITED')).toBe(true);
    expect((error as ApiError).retryAfter).toBe(3600);
    expect(busy.requests).toHaveLength(1);
  });

  it('stop waiting when their signal aborts', async () => {
    const { fetch } = serverOf(problem(503, 'OVERLOADED', { 'retry-after': '30' }));
    const stop = new AbortController();
    const request = new ZeroState({ url, fetch }).tasks.get('t', stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 20);
    await expect(request).rejects.toThrow('enough');
  });

  it('renew a login once for all of them, before it expires and after a refusal', async () => {
    const refreshed: string[] = [];
    const { requests, fetch } = serverOf(session('new'), json({ id: 't' }));
    const tokens = { accessToken: tokenUntil(1000), refreshToken: 'old-refresh' };
    const credentials = { tokens, onTokens: (it: { refreshToken: string }) => refreshed.push(it.refreshToken) };
    const client = new ZeroState({ url, fetch, credentials });
    await Promise.all([client.tasks.get('t'), client.tasks.get('t')]);
    expect(requests.map((it) => it.url.replace(/.*v1/, ''))).toEqual(['/auth/refresh', '/tasks/t', '/tasks/t']);
    expect(requests.map(bearerOf)).toEqual([null, 'Bearer new-access', 'Bearer new-access']);

    const refusing = serverOf(problem(401, 'TOKEN_EXPIRED'), session('newer'), json({ id: 't' }));
    const other = new ZeroState({
      url,
      fetch: refusing.fetch,
      credentials: { ...credentials, tokens: { ...tokens, accessToken: 'x' } },
    });
    expect((await other.tasks.get('t')).id).toBe('t');
    expect(refusing.requests.map(bearerOf)).toEqual(['Bearer x', null, 'Bearer newer-access']);
    expect(refreshed).toEqual(['new-refresh', 'newer-refresh']);
  });

  it('understand both forms of Retry-After', () => {
    const seconds = (value: string) =>
      retryAfterSeconds(new Headers({ 'retry-after': value }), Date.parse('2026-01-01T00:00:00Z'));
    expect(seconds('7')).toBe(7);
    expect(seconds('Thu, 01 Jan 2026 00:00:09 GMT')).toBe(9);
    expect(seconds('soon')).toBeUndefined();
  });
});

describe('the event stream of the SDK', () => {
  const bytes = (...chunks: string[]) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
        controller.close();
      },
    });
  const event = (seq: number, type = 'task.log') =>
    `id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify({ seq, type })}\n\n`;

  it('puts messages together from any pieces, and drops one that was cut off', async () => {
    const text = `: hello\n\nretry: 5\n\n${event(1)}${event(2)}id: 3\ndata: {"se`;
    const seen: unknown[] = [];
    for await (const { id, data, retry } of readEvents(bytes(...text), 1000)) seen.push([id, data, retry]);
    expect(seen).toEqual([
      [undefined, '', undefined],
      [undefined, '', 5],
      ['1', '{"seq":1,"type":"task.log"}', undefined],
      ['2', '{"seq":2,"type":"task.log"}', undefined],
    ]);
  });

  it('resumes after the last event over broken connections, reports a gap, and ends with the task', async () => {
    const { requests, fetch } = serverOf(
      new Response(bytes('event: gap\ndata: {"oldest_seq":3}\n\n', event(4), event(5), 'id: 6\nda')),
      new Response(bytes('event: closing\ndata: {"code":"DATABASE_AWAY"}\n\n')),
      new Response(bytes(event(6))),
      new Response(null, { status: 204 }),
    );
    const gaps: unknown[] = [];
    const seqs: number[] = [];
    const client = new ZeroState({ url: 'http://market.test', fetch });
    for await (const { seq } of client.tasks.events('t', { onGap: (oldest) => gaps.push(oldest) })) seqs.push(seq);
    expect(seqs).toEqual([4, 5, 6]);
    expect(gaps).toEqual([3]);
    const cursors = requests.map(({ init }) => new Headers(init.headers).get('last-event-id'));
    expect(cursors).toEqual(['0', '5', '5', '6']);
  });
});
