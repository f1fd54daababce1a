import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { prepareComponent, runComponent } from '../component-run.js';
import { HostCalls } from '../host-calls.js';

const FIXTURE = new URL('../../../../../test/fixtures/components/javascript.wasm.br', import.meta.url);
const LIMITS = {
  maxMemoryPages: 2048,
  maxTableElements: 100_000,
  stackKb: 984,
  maxCpuMs: 10_000,
  maxOutputBytes: 10_000,
  maxStderrBytes: 1000,
  maxStderrLines: 10,
  clockResolutionUs: 1000,
};

describe('fetch of a JavaScript component', () => {
  const prepared = prepareComponent(brotliDecompressSync(readFileSync(FIXTURE)));

  function run(input: object, answer?: object) {
    const requests: unknown[] = [];
    const lines: string[] = [];
    const exchange = (_n: number, name: string, request: Uint8Array) => {
      requests.push({ name, ...(JSON.parse(Buffer.from(request).toString()) as object) });
      return Buffer.from(JSON.stringify(answer));
    };
    const calls = answer && new HostCalls({ methods: ['http.fetch'], maxCalls: 5, maxRequestBytes: 1000 }, exchange);
    const { outcome, output } = runComponent({
      ...{ prepared, calls, environment: {}, timeoutMs: 10_000, limits: LIMITS, withheldStackKb: 0 },
      input: Buffer.from(JSON.stringify({ text: 'Ada', url: 'https://example.com/a?b', ...input })),
      onLog: (some) => lines.push(...some),
    });
    expect(outcome).toEqual({ end: 'completed' });
    return { requests, lines, answer: JSON.parse(Buffer.from(output!).toString()) as unknown };
  }

  it('is the host call http.fetch', () => {
    const headers = { 'content-type': 'text/plain' };
    const { requests, answer } = run({}, { status: 201, headers, body: 'Grüße' });
    expect(answer).toEqual({ reversed: 'adA', status: 201, type: 'text/plain', answer: 'Grüße' });
    expect(requests).toEqual([
      {
        name: 'http.fetch',
        method: 'POST',
        url: 'https://example.com/a?b',
        headers: expect.objectContaining({ 'x-mine': 'yes' }),
        body_base64: Buffer.from('adA').toString('base64'),
      },
    ]);
  });

  it('reads bodies of bytes, and sends no body with GET', () => {
    const { requests, answer } = run({ method: 'GET' }, { status: 200, headers: {}, body_base64: 'QWRh' });
    expect(answer).toMatchObject({ status: 200, type: null, answer: 'Ada' });
    expect(requests).toEqual([expect.not.objectContaining({ body_base64: expect.anything() })]);
  });

  it('fails in a way that the program can catch when the call is refused, and the log says why', () => {
    const refusal = { error: { code: 'HOST_NOT_ALLOWED', message: 'example.com is not allowed.' } };
    const { answer, lines } = run({}, refusal);
    expect(answer).toMatchObject({ reversed: 'adA', failed: expect.stringMatching(/Error/) });
    expect(lines).toEqual(['http.fetch: HOST_NOT_ALLOWED: example.com is not allowed.']);
    expect(run({}).lines).toEqual([expect.stringMatching(/^http.fetch: NOT_PERMITTED/)]);
    expect(run({ text: 'x'.repeat(2000) }, refusal).lines).toEqual([expect.stringMatching(/REQUEST_TOO_LARGE/)]);
  });
});
