import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { parseEnvironment } from '../../src/config/index.js';
import type { CallContext } from '../../src/host-calls/host-call.js';
import { outsideHandlers } from '../../src/host-calls/handlers/index.js';
import { EchoProvider } from '../../src/models/drivers/echo.driver.js';
import { OpenAiProvider } from '../../src/models/drivers/openai.driver.js';
import { Models } from '../../src/models/models.js';

const KEY = 'canary-key-51c';
const MODELS = {
  small: { model: 'upstream-small', input_price: '1.5', output_price: 6, max_tokens: 100 },
  reasoning: { model: 'upstream-large', input_price: 1, output_price: 1, max_tokens_field: 'max_completion_tokens' },
  vectors: { model: 'upstream-vectors', kind: 'embed', input_price: '0.02' },
};
const USAGE = { prompt_tokens: 10, completion_tokens: 5 };
const HELLO = { model: 'small', messages: [{ role: 'user', content: 'hello' }] };

interface Seen {
  path?: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
}

describe('models', () => {
  let endpoint: Server;
  let url: string;
  let seen: Seen[];
  let answer: (response: ServerResponse, request: Seen) => void;

  beforeAll(async () => {
    endpoint = createServer((request, response) => void take(request, response)).listen(0, '127.0.0.1');
    await once(endpoint, 'listening');
    url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/v1/`;
  });

  afterAll(() => {
    endpoint.closeAllConnections();
    endpoint.close();
  });

  beforeEach(() => {
    seen = [];
    answer = (response) => json(response, 200, { choices: [{ message: { content: 'hi' } }], usage: USAGE });
  });

  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    seen.push({ path: request.url, headers: request.headers, body: JSON.parse(text) });
    answer(response, seen.at(-1)!);
  };

  const json = (response: ServerResponse, status: number, body: unknown, headers = {}): void =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

  const settings = () => ({
    LLM_BASE_URL: url,
    LLM_API_KEY: KEY,
    LLM_MODELS: JSON.stringify(MODELS),
    LLM_TIMEOUT_MS: '5000',
  });

  /** Calls a method as an agent with permission for every model here. */
  const call = async (
    method: 'llm.chat' | 'llm.embed',
    request: unknown,
    {
      env = settings(),
      signal = new AbortController().signal,
    }: { env?: Record<string, string>; signal?: AbortSignal } = {},
  ) => {
    const config = parseEnvironment(env).llm;
    const models = new Models(config, config.endpoint ? new OpenAiProvider(config.endpoint) : new EchoProvider());
    const handlers = outsideHandlers({ models, egress: null as never, secrets: null as never });
    const permissions = { llm: { models: ['small', 'reasoning', 'vectors', 'echo', 'echo-embed', 'gone'] } };
    const prepared = handlers[method].prepare(request, { permissions, idempotencyKey: 'once', signal } as CallContext);
    return { ...prepared, done: await prepared.carryOut() };
  };

  it('answer a chat at the price of the tokens they report', async () => {
    const request = { ...HELLO, max_tokens: 50, temperature: 0.5, response_schema: { type: 'object' } };
    const { target, maxCostMicro, done } = await call('llm.chat', request);
    expect(done).toEqual({
      answer: { content: 'hi', model: 'small', usage: { input_tokens: 10, output_tokens: 5 } },
      costMicro: 45n, // 10 tokens at 1.5 and 5 at 6 micro-credits
    });
    expect(target).toBe('small');
    expect(maxCostMicro).toBeGreaterThan(50n * 6n);
    expect(seen).toMatchObject([
      {
        path: '/v1/chat/completions',
        headers: { authorization: `Bearer ${KEY}`, 'idempotency-key': 'once' },
        body: {
          model: 'upstream-small',
          messages: HELLO.messages,
          max_tokens: 50,
          temperature: 0.5,
          response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } },
        },
      },
    ]);
  });

  it('get the member that limits an answer by the name that they understand', async () => {
    await call('llm.chat', { ...HELLO, model: 'reasoning' });
    expect(seen[0].body).toMatchObject({ max_completion_tokens: 4096 });
    expect(seen[0].body).not.toHaveProperty('max_tokens');
  });

  it('reserve for every byte of a request and every token of an answer', async () => {
    const content = '🙂'.repeat(1000);
    const { maxCostMicro } = await call('llm.chat', { ...HELLO, messages: [{ role: 'user', content }] });
    expect(maxCostMicro).toBeGreaterThanOrEqual((4000n * 15n) / 10n + 100n * 6n);
  });

  it('never cost more than was reserved, and that without a report', async () => {
    for (const usage of [{ prompt_tokens: 1e9, completion_tokens: 1e9 }, undefined]) {
      answer = (response) => json(response, 200, { choices: [{ message: { content: 'hi' } }], usage });
      const { maxCostMicro, done } = await call('llm.chat', HELLO);
      expect(done.costMicro).toBe(maxCostMicro);
    }
  });

  it('embed texts, in their order', async () => {
    answer = (response) =>
      json(response, 200, {
        data: [
          { index: 1, embedding: [3, 4] },
          { index: 0, embedding: [1, 2] },
        ],
        usage: { prompt_tokens: 100 },
      });
    const { done } = await call('llm.embed', { model: 'vectors', input: ['a', 'b'] });
    const embeddings = [
      [1, 2],
      [3, 4],
    ];
    expect(done).toEqual({
      answer: { embeddings, model: 'vectors', usage: { input_tokens: 100, output_tokens: 0 } },
      costMicro: 2n,
    });
    expect(seen[0]).toMatchObject({ path: '/v1/embeddings', body: { model: 'upstream-vectors', input: ['a', 'b'] } });
  });

  it('are asked again when they are busy, after the pause that they ask for', async () => {
    const statuses = [429, 503, 500];
    answer = (response) => {
      const status = statuses.shift();
      if (status) json(response, status, {}, { 'retry-after': '0' });
      else json(response, 200, { choices: [{ message: { content: 'at last' } }], usage: USAGE });
    };
    const { done } = await call('llm.chat', HELLO, { env: { ...settings(), LLM_TIMEOUT_MS: '20000' } });
    expect(done.answer).toMatchObject({ content: 'at last' });
    expect(seen.map(({ headers }) => headers['idempotency-key'])).toEqual(Array(4).fill('once'));
  });

  it.each([
    [400, 'MODEL_REQUEST_REFUSED'],
    [401, 'MODEL_UNAVAILABLE'],
    [404, 'MODEL_UNAVAILABLE'],
    [422, 'MODEL_REQUEST_REFUSED'],
  ])('fail for nothing at once when the endpoint answers %s, without its text', async (status, code) => {
    const lines = watchLog();
    answer = (response) => json(response, status, { error: { message: `bad key ${KEY}` } });
    const error = await call('llm.chat', HELLO).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, costMicro: 0n });
    expect(seen).toHaveLength(1);
    expect(`${inspect(error)} ${lines().join()}`).not.toContain(KEY);
  });

  it('fail for nothing when no answer comes in time', async () => {
    answer = () => undefined;
    const slow = call('llm.chat', HELLO, { env: { ...settings(), LLM_TIMEOUT_MS: '200' } });
    await expect(slow).rejects.toMatchObject({ code: 'MODEL_TIMEOUT', costMicro: 0n });
    const pausing = call('llm.chat', HELLO, { env: { ...settings(), LLM_TIMEOUT_MS: '200' } });
    answer = (response) => json(response, 429, {}, { 'retry-after': '20' });
    await expect(pausing).rejects.toMatchObject({ code: 'MODEL_TIMEOUT', costMicro: 0n });
  });

  it('are paid when the attempt ends while they work', async () => {
    const attempt = new AbortController();
    answer = () => attempt.abort();
    const ended = call('llm.chat', HELLO, { signal: attempt.signal });
    const error = (await ended.catch((thrown: unknown) => thrown)) as { code: string; costMicro: bigint };
    expect(error.code).toBe('CALL_ENDED');
    expect(error.costMicro).toBeGreaterThan(600n);
  });

  it('fail when their answer cannot be used, or the endpoint is away or redirects', async () => {
    answer = (response) => json(response, 200, { choices: [] });
    await expect(call('llm.chat', HELLO)).rejects.toMatchObject({ code: 'MODEL_ANSWER_UNUSABLE' });
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    const away = { ...settings(), LLM_BASE_URL: `http://127.0.0.1:${port}/v1`, LLM_TIMEOUT_MS: '400' };
    await expect(call('llm.chat', HELLO, { env: away })).rejects.toMatchObject({ code: 'MODEL_TIMEOUT' });
    answer = (response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    await expect(call('llm.chat', HELLO)).rejects.toMatchObject({ code: 'MODEL_UNAVAILABLE' });
  });

  it.each<['llm.chat' | 'llm.embed', unknown, string]>([
    ['llm.chat', {}, 'INVALID_REQUEST'],
    ['llm.chat', { ...HELLO, stream: true }, 'INVALID_REQUEST'],
    ['llm.chat', { ...HELLO, messages: [] }, 'INVALID_REQUEST'],
    ['llm.chat', { ...HELLO, messages: [{ role: 'tool', content: '' }] }, 'INVALID_REQUEST'],
    ['llm.chat', { ...HELLO, max_tokens: 101 }, 'INVALID_REQUEST'],
    ['llm.chat', { ...HELLO, temperature: 3 }, 'INVALID_REQUEST'],
    ['llm.chat', { ...HELLO, model: 'other' }, 'MODEL_NOT_ALLOWED'],
    ['llm.chat', { ...HELLO, model: 'gone' }, 'MODEL_NOT_FOUND'],
    ['llm.chat', { ...HELLO, model: 'vectors' }, 'MODEL_NOT_FOUND'],
    ['llm.chat', { ...HELLO, messages: [{ role: 'user', content: 'a'.repeat(1_100_000) }] }, 'REQUEST_TOO_LARGE'],
    ['llm.embed', { model: 'vectors', input: 'a' }, 'INVALID_REQUEST'],
    ['llm.embed', { model: 'vectors', input: [''] }, 'INVALID_REQUEST'],
    ['llm.embed', { model: 'small', input: ['a'] }, 'MODEL_NOT_FOUND'],
    ['llm.embed', { model: 'vectors', input: ['a'.repeat(1_100_000)] }, 'REQUEST_TOO_LARGE'],
  ])('are not asked by %s what is not allowed (%#)', async (method, request, code) => {
    await expect(call(method, request)).rejects.toMatchObject({ code });
    expect(seen).toEqual([]);
  });

  describe('that are simulated', () => {
    const ask = async (request: object, method: 'llm.chat' | 'llm.embed' = 'llm.chat') =>
      (await call(method, { model: 'echo', ...request }, { env: {} })) as never as {
        maxCostMicro: bigint;
        done: { costMicro: bigint; answer: { content: string; model: string; embeddings: number[][] } };
      };

    it('say so in each answer, and cost nothing', async () => {
      const { maxCostMicro, done } = await ask({ messages: HELLO.messages });
      const usage = { input_tokens: 2, output_tokens: 7 };
      expect(done).toEqual({ answer: { content: '[echo, not a model] hello', model: 'echo', usage }, costMicro: 0n });
      expect(maxCostMicro).toBe(0n);
    });

    it('answer a schema by a value that matches it, and no more than they may', async () => {
      const response_schema = {
        type: 'object',
        properties: {
          urgency: { enum: ['low', 'high'] },
          team: { type: 'string' },
          tags: { type: 'array' },
          n: { type: 'integer' },
        },
      };
      const { done } = await ask({ messages: HELLO.messages, response_schema });
      expect(JSON.parse(done.answer.content)).toEqual({ urgency: 'low', team: 'echo', tags: [], n: 0 });
      const short = await ask({ messages: [{ role: 'user', content: 'ä'.repeat(500) }], max_tokens: 6 });
      expect(short.done.answer.content).toBe('[echo, not a model] ää');
    });

    it('embed the same text as the same vector', async () => {
      const { done } = await ask({ model: 'echo-embed', input: ['a', 'b', 'a'] }, 'llm.embed');
      const [a, b, again] = done.answer.embeddings;
      expect(again).toEqual(a);
      expect(b).not.toEqual(a);
      expect(done.answer.model).toBe('echo-embed');
    });
  });
});

/** Lines that are written to standard output and standard error from now on. */
function watchLog(): () => string[] {
  const lines: string[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    jest.spyOn(stream, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
  }
  return () => {
    jest.restoreAllMocks();
    return lines;
  };
}
