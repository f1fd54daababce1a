import { once } from 'node:events';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Egress, EgressOutcome, EgressRequest, EgressRules } from '../../src/egress/egress.js';
import { type DnsServer, startDnsServer } from '../support/dns-server.js';

/** A certificate that no authority signed, with its key; they protect nothing. */
const TLS = new URL('../../../test/fixtures/tls/', import.meta.url);
export const CERTIFICATE = fileURLToPath(new URL('certificate.pem', TLS));
const tls = { cert: readFileSync(CERTIFICATE), key: readFileSync(new URL('key.pem', TLS)) };

export const MAX_BYTES = 100_000;
export const TIMEOUT_MS = 1500;
const SECRET = { name: 'KEY', host: 'service.example.com', value: 'canary-7f3a91' };

/** What a driver is started with: variables of the environment. */
export type EgressSettings = Record<string, string>;

/** Addresses of names. `attacker.com` belongs to the agent's owner. */
const ZONE: Record<string, string[]> = {
  'private.attacker.com': ['10.0.0.5'],
  'loop.attacker.com': ['127.0.0.1'],
  'loop6.attacker.com': ['::1'],
  'mapped.attacker.com': ['::ffff:7f00:1'],
  'compatible.attacker.com': ['::7f00:1'],
  'nat64.attacker.com': ['64:ff9b::7f00:1'],
  '6to4.attacker.com': ['2002:7f00:1::'],
  'teredo.attacker.com': ['2001:0:53aa:64c:0:fffe:8080:8080'],
  'local.attacker.com': ['fd00::1'],
  'link.attacker.com': ['fe80::1'],
  'zero.attacker.com': ['0.0.0.0'],
  'unspecified.attacker.com': ['::'],
  'metadata.attacker.com': ['169.254.169.254'],
  'shared.attacker.com': ['100.64.0.1'],
  'mixed.attacker.com': ['93.184.216.34', '127.0.0.1'],
  'mixed6.attacker.com': ['2606:2800:220:1::1', '::1'],
  'kubernetes.default.svc': ['10.96.0.1'],
};

/**
 * What every driver of `Egress` does.
 * @param start starts the driver with settings
 */
export function itBehavesAsEgress(
  start: (settings: EgressSettings) => Promise<{ egress: Egress; stop(): Promise<void> }>,
): void {
  let egress: Egress;
  let stop: () => Promise<void>;
  let dns: DnsServer;
  let service: Server;
  let secure: Server;
  let raw: Server;
  /** Listens where no agent may get, on the addresses of this machine. */
  let traps: Server[];
  let trapPort: number;
  let connections = 0;
  let seen: { method?: string; url?: string; headers: IncomingMessage['headers']; body: string }[] = [];

  beforeAll(async () => {
    traps = [await listen(trap(), '127.0.0.1')];
    trapPort = portOf(traps[0]);
    traps.push(await listen(trap(), '127.0.0.2', trapPort), await listen(trap(), '::1', trapPort));
    dns = await startDnsServer((name, type, n) => {
      if (name === 'silent.attacker.com') return null;
      // The second answer leads to a trap.
      if (name === 'rebinding.example.com') return type === 'A' ? [n === 0 ? '127.0.0.1' : '127.0.0.2'] : [];
      return (ZONE[name] ?? []).filter((address) => address.includes(':') === (type === 'AAAA'));
    });
    service = await listen(
      createHttp((request, response) => void serve(request, response)),
      '127.0.0.1',
    );
    secure = await listen(
      createHttps(tls, (request, response) => void serve(request, response)),
      '127.0.0.1',
    );
    raw = await listen(
      createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', (head) => socket.end(RAW[/^GET \/(\S+)/.exec(String(head))?.[1] ?? '']));
      }),
      '127.0.0.1',
    );
    const started = await start({
      EGRESS_HOSTS: `*,*.attacker.com:${trapPort},service.example.com:8443`,
      EGRESS_PRIVATE_HOSTS: [
        `service.example.com:80=127.0.0.1:${portOf(service)}`,
        `other.example.com:80=127.0.0.1:${portOf(service)}`,
        `secure.example.com:443=127.0.0.1:${portOf(secure)}`,
        `misnamed.example.com:443=127.0.0.1:${portOf(secure)}`,
        `raw.example.com:80=127.0.0.1:${portOf(raw)}`,
        `closed.example.com:80=127.0.0.1:1`,
        `listed.example.com:80=127.0.0.1:${trapPort}`,
        `rebinding.example.com:${portOf(service)}`,
      ].join(','),
      EGRESS_DNS_SERVERS: dns.address,
      EGRESS_TIMEOUT_MS: String(TIMEOUT_MS),
      EGRESS_MAX_REQUEST_BYTES: String(MAX_BYTES),
      EGRESS_MAX_RESPONSE_BYTES: String(MAX_BYTES),
      EGRESS_CONNECTIONS_PER_AGENT: '4',
    });
    ({ egress, stop } = started);
  });

  afterAll(async () => {
    await stop?.();
    await dns?.close();
    for (const server of [service, secure, raw, ...(traps ?? [])]) {
      if (server && 'closeAllConnections' in server)
        (server as unknown as { closeAllConnections(): void }).closeAllConnections();
      server?.close();
    }
  });

  beforeEach(() => {
    connections = 0;
    seen = [];
  });

  const trap = (): Server => createHttp((_, response) => response.end('trapped')).on('connection', () => connections++);

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { method, url = '', headers } = request;
    seen.push({ method, url, headers, body });
    const [, path, argument = ''] = /^\/(\w*)\??(.*)$/.exec(url) ?? [];
    answers[path]?.(response, decodeURIComponent(argument));
  };

  const RULES: EgressRules = {
    hosts: [
      ...['service', 'other', 'secure', 'misnamed', 'raw', 'closed', 'listed', 'rebinding'].map(
        (name) => `${name}.example.com`,
      ),
      ...Object.keys(ZONE),
      ...['silent.attacker.com', 'missing.attacker.com', 'apple.example.com'],
      // Uploads refuse these; they do not help either.
      ...[
        '127.0.0.1',
        '::1',
        '0.0.0.0',
        '10.0.0.1',
        '169.254.169.254',
        '8.8.8.8',
        'localhost',
        'localhost.',
        'a.localhost',
      ],
      ...['db.internal', 'printer.local', 'metadata.google.internal', 'intranet', '*', '*.example.com', ''],
    ],
    methods: ['GET', 'POST', 'HEAD'],
  };

  const fetch = (
    request: Partial<EgressRequest>,
    rules: Partial<EgressRules> = {},
    signal = new AbortController().signal,
  ) =>
    egress.fetch(
      { tenant: 'agent', method: 'GET', url: 'http://service.example.com/', headers: {}, secrets: [], ...request },
      { ...RULES, ...rules },
      signal,
    );

  const codeOf = (outcome: EgressOutcome): string | number =>
    outcome.end === 'refused' ? outcome.code : outcome.status;

  /** `PORT` stands for the port of the traps. */
  const withPort = (text: string): string => text.replaceAll('PORT', String(trapPort));

  describe('keeps agents from addresses that are not public', () => {
    it.each([
      // Loopback as IPv4 can be written.
      ...[
        '127.0.0.1',
        '127.1',
        '127.0.1',
        '2130706433',
        '0x7f000001',
        '0x7f.0.0.1',
        '0x7f.1',
        '0177.0.0.1',
        '017700000001',
      ],
      ...[
        '127.0.0.1.',
        '127.000.000.001',
        '%31%32%37.0.0.1',
        '１２７.0.0.1',
        '127。0。0。1',
        '①②⑦.⓪.⓪.①',
        '127.0.0.2',
        '0',
        '0.0.0.0',
      ],
      // Private, special and multicast networks.
      ...[
        '10.0.0.1',
        '172.16.0.1',
        '192.168.1.1',
        '169.254.169.254',
        '100.64.0.1',
        '198.18.0.1',
        '192.0.0.8',
        '224.0.0.1',
      ],
      ...['240.0.0.1', '255.255.255.255', '0xa9fea9fe', '2852039166'],
      // IPv6, with what wraps IPv4.
      ...[
        '[::1]',
        '[0:0:0:0:0:0:0:1]',
        '[0000::0001]',
        '[::]',
        '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]',
        '[::127.0.0.1]',
      ],
      ...[
        '[64:ff9b::7f00:1]',
        '[64:ff9b:1::7f00:1]',
        '[2002:7f00:1::]',
        '[2001:0:53aa:64c:0:fffe:8080:8080]',
        '[fe80::1]',
      ],
      ...['[fc00::1]', '[fd00:ec2::254]', '[fec0::1]', '[ff02::1]', '[5f00::1]', '[100::1]', '[::ffff:0:7f00:1]'],
    ])('written as %s', async (host) => {
      expect(codeOf(await fetch({ url: withPort(`http://${host}:PORT/`) }))).toBe('ADDRESS_NOT_PUBLIC');
      expect(connections).toBe(0);
    });

    it.each(Object.entries(ZONE))('by the name %s, which resolves to %s', async (name) => {
      const port = name.endsWith('attacker.com') ? ':PORT' : '';
      expect(codeOf(await fetch({ url: withPort(`http://${name}${port}/`) }))).toBe('ADDRESS_NOT_PUBLIC');
      expect(connections).toBe(0);
    });

    it.each([
      ['http://127.0.0.1:PORT/', 'ADDRESS_NOT_PUBLIC'],
      ['//127.0.0.1:PORT/', 'ADDRESS_NOT_PUBLIC'],
      ['http://[::1]:PORT/', 'ADDRESS_NOT_PUBLIC'],
      ['http://169.254.169.254/latest/meta-data/', 'ADDRESS_NOT_PUBLIC'],
      ['http://loop.attacker.com:PORT/', 'ADDRESS_NOT_PUBLIC'],
      ['http://localhost:PORT/', 'HOST_NOT_ALLOWED'],
      ['http://elsewhere.example.com/', 'HOST_NOT_ALLOWED'],
      ['http://service.example.com:22/', 'PORT_NOT_ALLOWED'],
      ['http://user@service.example.com/', 'URL_NOT_ALLOWED'],
      ['\\\\127.0.0.1:PORT/', 'URL_NOT_ALLOWED'],
      ['file:///etc/passwd', 'URL_NOT_ALLOWED'],
      ['http://', 'URL_NOT_ALLOWED'],
      ['/redirect?/', 404],
    ])('when a redirect leads to %s', async (location, code) => {
      const url = `http://service.example.com/redirect?${encodeURIComponent(withPort(location))}`;
      expect(codeOf(await fetch({ url }))).toBe(code);
      expect(connections).toBe(0);
    });

    it('connects to the address that it judged, and asks name servers once', async () => {
      const before = dns.questions.length;
      const outcome = await fetch({ url: `http://rebinding.example.com:${portOf(service)}/echo` });
      expect(outcome).toMatchObject({ end: 'answered', status: 200 });
      expect(dns.questions.slice(before).sort()).toEqual(['A rebinding.example.com', 'AAAA rebinding.example.com']);
      expect(connections).toBe(0);
    });

    it('except services that the operator lists', async () => {
      expect(await fetch({ url: 'http://listed.example.com/' })).toMatchObject({ end: 'answered', body: 'trapped' });
      expect(connections).toBe(1);
    });
  });

  describe('refuses', () => {
    it.each<[string, string, Partial<EgressRequest>, Partial<EgressRules>?]>([
      ['the URL of a public address', 'HOST_NOT_ALLOWED', { url: 'http://8.8.8.8/' }],
      ['a public IPv6 address', 'HOST_NOT_ALLOWED', { url: 'http://[2606:4700:4700::1111]/' }],
      ['localhost', 'HOST_NOT_ALLOWED', { url: 'http://localhost:PORT/' }],
      ['LOCALHOST with a dot', 'HOST_NOT_ALLOWED', { url: 'http://LOCALHOST.:PORT/' }],
      ['names below localhost', 'HOST_NOT_ALLOWED', { url: 'http://a.localhost:PORT/' }],
      ['an internal name', 'HOST_NOT_ALLOWED', { url: 'http://db.internal/' }],
      ['a name of mDNS', 'HOST_NOT_ALLOWED', { url: 'http://printer.local/' }],
      ['the metadata service by name', 'HOST_NOT_ALLOWED', { url: 'http://metadata.google.internal/' }],
      ['a name without a dot', 'HOST_NOT_ALLOWED', { url: 'http://intranet/' }],
      ['a trailing dot', 'HOST_NOT_ALLOWED', { url: 'http://service.example.com./' }],
      ['a name that ends like an allowed one', 'HOST_NOT_ALLOWED', { url: 'http://evil-service.example.com/' }],
      ['a name that begins like an allowed one', 'HOST_NOT_ALLOWED', { url: 'http://service.example.com.evil.com/' }],
      ['a name below an allowed one', 'HOST_NOT_ALLOWED', { url: 'http://a.service.example.com/' }],
      ['a homograph', 'HOST_NOT_ALLOWED', { url: 'http://аpple.example.com/' }],
      ['its punycode', 'HOST_NOT_ALLOWED', { url: 'http://xn--pple-43d.example.com/' }],
      ['an address with a zone', 'URL_NOT_ALLOWED', { url: 'http://[fe80::1%25lo]:PORT/' }],
      ['a zone without an escape', 'URL_NOT_ALLOWED', { url: 'http://[::1%lo]:PORT/' }],
      ['a user name', 'URL_NOT_ALLOWED', { url: 'http://service.example.com@127.0.0.1:PORT/' }],
      ['an address as user name', 'URL_NOT_ALLOWED', { url: 'http://127.0.0.1:PORT@service.example.com/' }],
      ['a backslash before @', 'URL_NOT_ALLOWED', { url: 'http://service.example.com\\@127.0.0.1:PORT/' }],
      ['a backslash after an address', 'URL_NOT_ALLOWED', { url: 'http://127.0.0.1:PORT\\.service.example.com/' }],
      ['backslashes as slashes', 'URL_NOT_ALLOWED', { url: 'http:\\\\127.0.0.1:PORT/' }],
      ['a tab in the host', 'URL_NOT_ALLOWED', { url: 'http://127.0.\t0.1:PORT/' }],
      ['a line break', 'URL_NOT_ALLOWED', { url: 'http://service.example.com/\r\nHost: evil' }],
      ['a URL without slashes', 'ADDRESS_NOT_PUBLIC', { url: 'http:127.0.0.1:PORT' }],
      ['a URL with too many slashes', 'ADDRESS_NOT_PUBLIC', { url: 'http:////127.0.0.1:PORT' }],
      ['a URL without a scheme', 'URL_NOT_ALLOWED', { url: '//127.0.0.1:PORT/' }],
      ['an unknown notation of an address', 'URL_NOT_ALLOWED', { url: 'http://127.0.0.256:PORT/' }],
      ['file:', 'URL_NOT_ALLOWED', { url: 'file:///etc/passwd' }],
      ['ftp:', 'URL_NOT_ALLOWED', { url: 'ftp://service.example.com/' }],
      ['gopher:', 'URL_NOT_ALLOWED', { url: 'gopher://127.0.0.1:PORT/_x' }],
      ['data:', 'URL_NOT_ALLOWED', { url: 'data:text/plain,x' }],
      ['ws:', 'URL_NOT_ALLOWED', { url: 'ws://service.example.com/' }],
      ['a long URL', 'URL_NOT_ALLOWED', { url: `http://service.example.com/${'a'.repeat(8200)}` }],
      ['the port of SSH', 'PORT_NOT_ALLOWED', { url: 'http://service.example.com:22/' }],
      ['https on the port of http', 'PORT_NOT_ALLOWED', { url: 'https://missing.attacker.com:80/' }],
      ['port 0', 'PORT_NOT_ALLOWED', { url: 'http://missing.attacker.com:0/' }],
      ['a port that does not exist', 'URL_NOT_ALLOWED', { url: 'http://service.example.com:65536/' }],
      ['a host without a permission', 'HOST_NOT_ALLOWED', { url: 'http://service.example.com/' }, { hosts: [] }],
      ['a method without a permission', 'METHOD_NOT_ALLOWED', { method: 'DELETE' }],
      ['CONNECT', 'METHOD_NOT_ALLOWED', { method: 'CONNECT' }, { methods: ['CONNECT'] }],
      ['TRACE', 'METHOD_NOT_ALLOWED', { method: 'TRACE' }, { methods: ['TRACE'] }],
      ['a name that does not exist', 'HOST_NOT_FOUND', { url: 'http://missing.attacker.com/' }],
      [
        'a redirect to another method',
        'METHOD_NOT_ALLOWED',
        { method: 'POST', url: 'http://service.example.com/redirect?/echo' },
        { methods: ['POST'] },
      ],
      ['an endless chain of redirects', 'TOO_MANY_REDIRECTS', { url: 'http://service.example.com/loop' }],
      ['a host that does not listen', 'UPSTREAM_UNREACHABLE', { url: 'http://closed.example.com/' }],
      ['a large body', 'REQUEST_TOO_LARGE', { method: 'POST', body: Buffer.alloc(MAX_BYTES + 1).toString('base64') }],
      [
        'many headers',
        'REQUEST_TOO_LARGE',
        { headers: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`a${n}`, ''])) },
      ],
      ['large headers', 'REQUEST_TOO_LARGE', { headers: { a: 'a'.repeat(20_000) } }],
      ...[
        ...[
          'Host',
          'connection',
          'Keep-Alive',
          'Transfer-Encoding',
          'Content-Length',
          'TE',
          'Trailer',
          'Upgrade',
          'Expect',
        ],
        ...[
          'Accept-Encoding',
          'Proxy-Authorization',
          'Proxy-Connection',
          'Via',
          'Forwarded',
          'X-Forwarded-For',
          'X-Real-IP',
        ],
      ].map((name): [string, string, Partial<EgressRequest>] => [
        `the header ${name}`,
        'HEADER_NOT_ALLOWED',
        { headers: { [name]: 'x' } },
      ]),
      ['a line break in a header', 'HEADER_NOT_ALLOWED', { headers: { a: 'b\r\nHost: evil' } }],
      ['a line feed in a header', 'HEADER_NOT_ALLOWED', { headers: { a: 'b\nc' } }],
      ['a NUL in a header', 'HEADER_NOT_ALLOWED', { headers: { a: 'b\0' } }],
      ['a wide character that ends in a line feed', 'HEADER_NOT_ALLOWED', { headers: { a: '\u010a' } }],
      ['a line break in the name of a header', 'HEADER_NOT_ALLOWED', { headers: { 'a: b\r\nhost': 'x' } }],
      ['a header without a name', 'HEADER_NOT_ALLOWED', { headers: { '': 'x' } }],
      ['a header given twice', 'HEADER_NOT_ALLOWED', { headers: { a: '1', A: '2' } }],
      ['a secret that does not exist', 'SECRET_NOT_FOUND', { headers: { a: '{{secret:NONE}}' }, secrets: [SECRET] }],
      ['a secret that is named wrongly', 'SECRET_NOT_FOUND', { headers: { a: '{{ secret:KEY }}' }, secrets: [SECRET] }],
      [
        'a secret of another host',
        'SECRET_NOT_FOR_HOST',
        { url: 'http://other.example.com/', headers: { a: '{{secret:KEY}}' }, secrets: [SECRET] },
      ],
      [
        'a secret without TLS',
        'SECRET_NOT_FOR_HOST',
        {
          url: 'http://missing.attacker.com/',
          headers: { a: '{{secret:KEY}}' },
          secrets: [{ ...SECRET, host: 'missing.attacker.com' }],
        },
      ],
    ])('%s', async (_, code, request, ...[rules]) => {
      const outcome = await fetch(
        { ...request, ...(request.url !== undefined && { url: withPort(request.url) }) },
        rules,
      );
      expect(codeOf(outcome)).toBe(code);
      expect(connections).toBe(0);
      expect(JSON.stringify(outcome)).not.toMatch(/canary|127\.0\.0\.1:|10\.0\.0\.5/);
    });
  });

  describe('bounds what an upstream can do', () => {
    it.each([
      ['a body that is too large', 'big', 'RESPONSE_TOO_LARGE'],
      ['an endless body', 'endless', 'RESPONSE_TOO_LARGE'],
      ['a length that is too large', 'announced', 'RESPONSE_TOO_LARGE'],
      ['large headers', 'headers', 'RESPONSE_TOO_LARGE'],
      ['no answer', 'silent', 'UPSTREAM_TIMEOUT'],
      ['a body that drips', 'drip', 'UPSTREAM_TIMEOUT'],
    ])('%s', async (_, path, code) => {
      expect(codeOf(await fetch({ url: `http://service.example.com/${path}` }))).toBe(code);
    });

    it.each([
      ['100 Continue that nobody asked for', 'continue', 'UPSTREAM_FAILED'],
      ['an upgrade that nobody asked for', 'upgrade', 'UPSTREAM_FAILED'],
      ['an early close before the headers', 'early', 'UPSTREAM_FAILED'],
      ['an early close in the body', 'short', 'UPSTREAM_FAILED'],
      ['two lengths', 'lengths', 'UPSTREAM_FAILED'],
      ['a length beside chunks', 'smuggle', 'UPSTREAM_FAILED'],
      ['another protocol', 'ssh', 'UPSTREAM_FAILED'],
      ['a NUL in a header', 'nul', 'UPSTREAM_FAILED'],
    ])('%s', async (_, path, code) => {
      expect(codeOf(await fetch({ url: `http://raw.example.com/${path}` }))).toBe(code);
    });

    it('does not read a second answer that an upstream sends ahead', async () => {
      const split = { url: 'http://raw.example.com/split' };
      expect(await fetch(split)).toMatchObject({ status: 200, body: 'first' });
      expect(await fetch({ url: 'http://raw.example.com/next' })).toMatchObject({ status: 200, body: 'next' });
    });

    it('inflates nothing: a compressed answer stays as it is', async () => {
      const outcome = await fetch({ url: 'http://service.example.com/bomb' });
      expect(outcome).toMatchObject({ end: 'answered', encoding: 'base64', headers: { 'content-encoding': 'gzip' } });
      expect(Buffer.from((outcome as { body: string }).body, 'base64').length).toBeLessThan(MAX_BYTES);
      expect(seen[0].headers['accept-encoding']).toBe('identity');
    });

    it('gives up on name servers that stay silent', async () => {
      expect(codeOf(await fetch({ url: 'http://silent.attacker.com/' }))).toBe('UPSTREAM_TIMEOUT');
    });

    it('refuses more requests of one agent than it may have under way, and of no other agent', async () => {
      const url = 'http://service.example.com/silent';
      const many = await Promise.all(
        Array.from({ length: 5 }, () => fetch({ url, tenant: 'busy' })).concat(fetch({ tenant: 'other' })),
      );
      expect(many.map(codeOf).sort()).toEqual([200, 'EGRESS_BUSY', ...Array<string>(4).fill('UPSTREAM_TIMEOUT')]);
    });

    it('ends with its attempt', async () => {
      const attempt = new AbortController();
      const pending = fetch({ url: 'http://service.example.com/silent' }, {}, attempt.signal);
      const reached = new Promise<void>((resolve) => {
        const look = setInterval(() => {
          if (seen.length === 0) return;
          clearInterval(look);
          resolve();
        }, 5);
      });
      await reached;
      attempt.abort();
      expect(codeOf(await pending)).toBe('CALL_ENDED');
      expect(codeOf(await fetch({}, {}, attempt.signal))).toBe('CALL_ENDED');
    });
  });

  describe('sends', () => {
    it('method, path, headers and body, and answers text as text', async () => {
      const headers = { 'Content-Type': 'text/plain', 'X-Own': 'y' };
      const body = Buffer.from('hellö').toString('base64');
      const outcome = await fetch({ method: 'POST', url: 'http://service.example.com/echo?a=b#c', headers, body });
      expect(outcome).toMatchObject({ end: 'answered', status: 200, encoding: 'utf8', headers: { 'x-answer': 'yes' } });
      expect(seen).toMatchObject([
        { method: 'POST', url: '/echo?a=b', body: 'hellö', headers: { 'x-own': 'y', host: 'service.example.com' } },
      ]);
      expect((outcome as { headers: object }).headers).not.toHaveProperty('connection');
    });

    it('bytes that are no text as base64', async () => {
      for (const path of ['image', 'latin1']) {
        const outcome = await fetch({ url: `http://service.example.com/${path}` });
        expect(outcome).toMatchObject({ encoding: 'base64', body: Buffer.from([0xff, 0xe4]).toString('base64') });
      }
    });

    it('a body again only after a redirect that asks for it', async () => {
      const post = {
        method: 'POST',
        body: Buffer.from('once').toString('base64'),
        headers: { 'content-type': 'text/plain' },
      };
      await fetch({ ...post, url: 'http://service.example.com/redirect?/echo' });
      await fetch({ ...post, url: 'http://service.example.com/repeat?/echo' });
      expect(seen.map(({ method, body }) => [method, body])).toEqual([
        ['POST', 'once'],
        ['GET', ''],
        ['POST', 'once'],
        ['POST', 'once'],
      ]);
      expect(seen[1].headers).not.toHaveProperty('content-type');
    });

    it('a secret to its host alone, also after a redirect, and does not answer it', async () => {
      const headers = {
        Authorization: 'Bearer {{secret:KEY}}',
        'X-Key': '{{secret:KEY}}',
        'X-Own': 'y',
        Cookie: 'a=b',
      };
      const url = `http://service.example.com/redirect?${encodeURIComponent('http://other.example.com/echo')}`;
      await fetch({ url, headers, secrets: [SECRET] });
      expect(seen[0].headers).toMatchObject({
        authorization: `Bearer ${SECRET.value}`,
        'x-key': SECRET.value,
        cookie: 'a=b',
      });
      expect(seen[1].headers).toMatchObject({ host: 'other.example.com', 'x-own': 'y' });
      expect(JSON.stringify(seen[1].headers)).not.toMatch(/canary|cookie/);
      const echoed = await fetch({ url: 'http://service.example.com/echo', headers, secrets: [SECRET] });
      expect(seen[2].headers.authorization).toBe(`Bearer ${SECRET.value}`);
      expect(JSON.stringify(echoed)).not.toContain(SECRET.value);
      expect(echoed).toMatchObject({
        body: expect.stringContaining('Bearer [secret:KEY]'),
        headers: { 'x-echo': '[secret:KEY]' },
      });
    });

    it('nothing to a host whose certificate does not name it', async () => {
      expect(codeOf(await fetch({ url: 'https://misnamed.example.com/echo' }))).toBe('UPSTREAM_UNREACHABLE');
      expect(seen).toEqual([]);
    });
  });

  const answers: Record<string, (response: ServerResponse, argument: string) => void> = {
    '': (response) => response.end('ok'),
    echo: (response) => {
      const { headers, body } = seen.at(-1)!;
      response.setHeader('content-type', 'application/json');
      response.setHeader('x-answer', 'yes');
      response.setHeader('x-echo', headers['x-key'] ?? '');
      response.end(JSON.stringify({ headers, body }));
    },
    redirect: (response, location) => void response.writeHead(location === '/' ? 404 : 302, { location }).end(),
    repeat: (response, location) => void response.writeHead(307, { location }).end(),
    loop: (response) => void response.writeHead(302, { location: '/loop' }).end(),
    image: (response) => void response.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from([0xff, 0xe4])),
    latin1: (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end(Buffer.from([0xff, 0xe4])),
    bomb: (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end(gzipSync(Buffer.alloc(20_000_000)));
    },
    big: (response) => void response.end('x'.repeat(MAX_BYTES + 1)),
    endless: (response) => {
      const write = (): void => {
        if (!response.destroyed) response.write('x'.repeat(20_000), () => setImmediate(write));
      };
      write();
    },
    announced: (response) => void response.writeHead(200, { 'content-length': '99999999' }).write('x'),
    headers: (response) => void response.writeHead(200, { a: 'x'.repeat(30_000) }).end(),
    silent: () => undefined,
    drip: (response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('.'), 100);
      response.on('close', () => clearInterval(timer));
    },
  };
}

/** Answers as bytes, good and bad ones. */
const RAW: Record<string, string> = {
  continue: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  upgrade: 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nok',
  early: '',
  short: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok',
  lengths: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!',
  smuggle: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ssh: 'SSH-2.0-OpenSSH_9.2\r\n',
  nul: 'HTTP/1.1 200 OK\r\na: b\0c\r\nContent-Length: 2\r\n\r\nok',
  split: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirstHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond',
  next: 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext',
};

async function listen<S extends Server>(server: S, host: string, port = 0): Promise<S> {
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
