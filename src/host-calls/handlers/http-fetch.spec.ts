import { describe, expect, it } from '@jest/globals';
import type { Permissions } from '../../common/permissions.dto.js';
import type { EgressOutcome } from '../../egress/index.js';
import type { CallContext } from '../host-call.js';
import { HttpFetch } from './http-fetch.js';

const ANSWER: EgressOutcome = { end: 'answered', status: 200, headers: { a: 'b' }, body: 'ok', encoding: 'utf8' };

describe('http.fetch', () => {
  it.each<[string, unknown, string]>([
    ['no object', 'https://api.example.com', 'INVALID_REQUEST'],
    ['no URL', {}, 'INVALID_REQUEST'],
    ['an unknown member', { url: 'https://api.example.com', timeout: 1 }, 'INVALID_REQUEST'],
    ['an unknown method', { url: 'https://api.example.com', method: 'TRACE' }, 'INVALID_REQUEST'],
    ['headers that are no text', { url: 'https://api.example.com', headers: { a: 1 } }, 'INVALID_REQUEST'],
    [
      'two bodies',
      { url: 'https://api.example.com', method: 'POST', body: 'a', body_base64: 'YQ==' },
      'INVALID_REQUEST',
    ],
    [
      'a body that is not base64',
      { url: 'https://api.example.com', method: 'POST', body_base64: '!' },
      'INVALID_REQUEST',
    ],
    ['a body with GET', { url: 'https://api.example.com', body: 'a' }, 'INVALID_REQUEST'],
    ['another host', { url: 'https://evil.example.com' }, 'HOST_NOT_ALLOWED'],
    ['an address', { url: 'http://169.254.169.254/' }, 'ADDRESS_NOT_PUBLIC'],
    ['another method', { url: 'https://api.example.com', method: 'DELETE' }, 'METHOD_NOT_ALLOWED'],
    ['credentials in the URL', { url: 'https://a:b@api.example.com' }, 'URL_NOT_ALLOWED'],
  ])('refuses %s before anything is sent', async (_, request, code) => {
    const { call, sent } = handler();
    await expect(call(request)).rejects.toMatchObject({ code });
    expect(sent).toEqual([]);
  });

  it('refuses every host without a permission, and every method but GET when none is named', async () => {
    const { call } = handler();
    await expect(call({ url: 'https://api.example.com' }, {})).rejects.toMatchObject({ code: 'HOST_NOT_ALLOWED' });
    const permissions = { http: { hosts: ['api.example.com'] } };
    await expect(call({ url: 'https://api.example.com', method: 'POST' }, permissions)).rejects.toMatchObject({
      code: 'METHOD_NOT_ALLOWED',
    });
  });

  it('passes on the request with the secrets that it names, and names its host alone for the record', async () => {
    const { call, sent, asked } = handler();
    const request = {
      url: 'https://api.example.com/private?q=1',
      method: 'post',
      headers: { Authorization: 'Bearer {{secret:KEY}}' },
      body: 'hellö',
    };
    const { prepared, done } = await call(request);
    expect(prepared).toMatchObject({ target: 'api.example.com', maxCostMicro: 0n });
    expect(done).toEqual({ answer: { status: 200, headers: { a: 'b' }, body: 'ok' }, costMicro: 0n });
    expect(asked).toEqual([['agent', ['KEY']]]);
    expect(sent).toMatchObject([
      {
        tenant: 'agent',
        method: 'POST',
        headers: { Authorization: 'Bearer {{secret:KEY}}', 'idempotency-key': 'once' },
        body: Buffer.from('hellö').toString('base64'),
        secrets: [{ name: 'KEY', host: 'api.example.com', value: 'canary' }],
      },
    ]);
  });

  it('keeps the idempotency key of the agent, and sends none with GET', async () => {
    const { call, sent } = handler();
    await call({ url: 'https://api.example.com', method: 'POST', headers: { 'Idempotency-Key': 'own' } });
    await call({ url: 'https://api.example.com' });
    expect(sent.map(({ headers }) => headers)).toEqual([{ 'Idempotency-Key': 'own' }, {}]);
  });

  it('answers bytes as base64, and a refusal as an error', async () => {
    const bytes = handler({ ...ANSWER, body: '/+Q=', encoding: 'base64' });
    expect((await bytes.call({ url: 'https://api.example.com' })).done.answer).toEqual({
      status: 200,
      headers: { a: 'b' },
      body_base64: '/+Q=',
    });
    const refused = handler({ end: 'refused', code: 'UPSTREAM_TIMEOUT', message: 'Too late.' });
    await expect(refused.call({ url: 'https://api.example.com' })).rejects.toMatchObject({
      code: 'UPSTREAM_TIMEOUT',
      message: 'Too late.',
      costMicro: 0n,
    });
  });
});

/** The handler over an egress that answers `outcome`. */
function handler(outcome: EgressOutcome = ANSWER) {
  const sent: { headers: Record<string, string> }[] = [];
  const asked: unknown[] = [];
  const egress = {
    fetch: async (request: { headers: Record<string, string> }) => {
      sent.push(request);
      return outcome;
    },
    ping: async () => undefined,
  };
  const secrets = {
    reveal: async (...args: unknown[]) => {
      asked.push(args);
      return [{ name: 'KEY', host: 'api.example.com', value: 'canary' }];
    },
  };
  const granted: Permissions = { http: { hosts: ['api.example.com'], methods: ['GET', 'POST'] } };
  const call = async (request: unknown, permissions = granted) => {
    const context = { agentId: 'agent', idempotencyKey: 'once', permissions, signal: new AbortController().signal };
    const prepared = await new HttpFetch(egress, secrets).prepare(request, context as CallContext);
    return { prepared, done: await prepared.carryOut() };
  };
  return { call, sent, asked };
}
