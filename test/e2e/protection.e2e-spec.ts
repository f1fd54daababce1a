import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, loginAdmin, registerUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { seqsOf } from './agents.js';
import { FeedSocket } from './feed-client.js';

const JWT_SECRET = 'a secret of the tests, long enough to sign';

describe('protection', () => {
  let database: TestDatabase;
  let redis: RedisServer;
  let here: ServerProcess;
  let there: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await startRedis();
    const env = {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      JWT_SECRET,
      RATE_LIMIT_ENABLED: 'true',
      RATE_LIMIT_READ: '40',
      RATE_LIMIT_SIMULATE: '3',
      TRUST_PROXY: '1',
      // Nobody listens there.
      SMTP_URL: 'smtp://127.0.0.1:1',
      MAIL_FROM: 'tests@example.test',
      HEADERS_TIMEOUT_MS: '1000',
      BODY_TIMEOUT_MS: '1000',
      IDLE_TIMEOUT_MS: '1000',
      CORS_ORIGINS: 'https://app.example.test',
    };
    here = await startServer({ env, roles: ['api'] });
    there = await startServer({ env, roles: ['api'] });
  });

  afterAll(async () => {
    await Promise.all([here?.stop(), there?.stop()]);
    await redis?.stop();
    await database?.drop();
  });

  it('limits a user on all processes together, says how much is left, and when to come back', async () => {
    const { token } = await registerUser(here.url);
    const first = await api(here.url).get('/auth/me', { token });
    expect(first.headers.get('ratelimit-policy')).toBe('"read";q=40;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"read";r=39;t=\d+$/);
    expect(first.headers.get('ratelimit-remaining')).toBe('39');
    let allowed = 1;
    for (let index = 0; index < 60; index++) {
      const { status } = await api((index % 2 ? here : there).url).get('/auth/me', { token });
      if (status === 200) allowed++;
    }
    // Each of the two counts a tenth by itself.
    expect(allowed).toBeGreaterThanOrEqual(40);
    expect(allowed).toBeLessThanOrEqual(48);
    const refused = await api(here.url).get('/auth/me', { token });
    expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    // Somebody else is not concerned, nor is health.
    const other = await registerUser(here.url);
    expect((await api(here.url).get('/auth/me', { token: other.token })).status).toBe(200);
    expect((await fetch(`${here.url}/health/live`)).status).toBe(200);
  });

  it('limits simulated auctions apart from submissions, in any spelling of their path', async () => {
    const { token } = await registerUser(here.url);
    const task = { required_capabilities: [], budget: 1, input: {} };
    const paths = ['/auctions/simulate', '/Auctions/Simulate/', '/auctions/simulate', '/auctions/simulate/'];
    const answers = [];
    for (const path of paths) answers.push(await api(here.url).post(path, task, { token }));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers[3].body.code).toBe('RATE_LIMITED');
    expect(answers[0].headers.get('ratelimit-policy')).toBe('"simulate";q=3;w=60');
    expectStatus(await api(here.url).post('/tasks', task, { token }), 202);
  });

  it('counts handshakes and messages of sockets among the reads of their user', async () => {
    const { token } = await registerUser(here.url);
    const socket = await FeedSocket.connect(here.url, { token });
    const codes = [];
    for (let index = 0; index < 60; index++) {
      const answer = await socket.ask('subscribe', { topic: 'admin' });
      codes.push(answer.ok ? undefined : answer.code);
    }
    expect(codes.slice(0, 30)).toEqual(Array(30).fill('NOT_FOUND'));
    expect(codes.at(-1)).toBe('RATE_LIMITED');
    expect(await socket.ask('auth.refresh', { token })).toMatchObject({ ok: false, code: 'RATE_LIMITED' });
    expect((await api(here.url).get('/auth/me', { token })).status).toBe(429);
    await expect(FeedSocket.connect(here.url, { token })).rejects.toMatchObject({ data: { code: 'RATE_LIMITED' } });
    socket.close();
  });

  it('counts requests that fail to authenticate by their address, which a proxy it trusts tells', async () => {
    const from = (address: string) =>
      api(here.url).get('/auth/me', { headers: { 'x-api-key': 'garbage', 'x-forwarded-for': address } });
    const statuses: number[] = [];
    for (let index = 0; index < 50; index++) statuses.push((await from('203.0.113.1')).status);
    expect(statuses.filter((status) => status === 401).length).toBe(40);
    expect(statuses.at(-1)).toBe(429);
    expect((await from('203.0.113.2')).status).toBe(401);
  });

  it('throttles guessing by account and address, for emails that nobody has just the same', async () => {
    const { email, password } = await registerUser(here.url);
    const attempt = (mail: string, word: string, address: string, server = here) =>
      api(server.url).post('/auth/login', { email: mail, password: word }, { headers: { 'x-forwarded-for': address } });
    for (const mail of [email, 'nobody@example.test']) {
      const statuses: number[] = [];
      for (let index = 0; index < 14; index++) {
        statuses.push((await attempt(mail, 'wrong', '203.0.113.9', index % 2 ? here : there)).status);
      }
      expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(12);
      expect(statuses.at(-1)).toBe(429);
    }
    // Not even the right password is tried any more from there; its owner is elsewhere.
    const refused = await attempt(email, password, '203.0.113.9');
    expect(refused).toMatchObject({ status: 429, body: { code: 'TOO_MANY_ATTEMPTS' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(60);
    expect((await attempt(email, password, '203.0.113.10')).status).toBe(200);

    const admin = await loginAdmin(here.url);
    const trail = expectStatus(await api(here.url).get('/audit?type=login.throttled', { token: admin }), 200).body
      .items;
    expect(trail).toHaveLength(2);
    expect(trail.map(({ subject_id }: { subject_id: string | null }) => subject_id)).toContain(null);
    expect(trail[0]).toMatchObject({ address: '203.0.113.9', details: { limit: 'login-pair' } });
  });

  it('takes all addresses of one IPv6 /64 for one sender, and what a proxy names that is no address for the proxy', async () => {
    const { email } = await registerUser(here.url);
    const attempt = async (address: string): Promise<number> => {
      const body = { email, password: 'wrong' };
      return (await api(here.url).post('/auth/login', body, { headers: { 'x-forwarded-for': address } })).status;
    };
    const statuses: number[] = [];
    for (let index = 1; index <= 12; index++) statuses.push(await attempt(`2001:db8:5:5::${index}`));
    expect(statuses.at(-1)).toBe(429);
    expect(await attempt('2001:db8:5:6::1')).toBe(401);
    expect(await attempt('[2001:db8:5:7:1:2:3:4]:65535')).toBe(401);
    expect(await attempt('x'.repeat(100))).toBe(401);
    const admin = await loginAdmin(here.url);
    const { items } = expectStatus(await api(here.url).get('/audit?type=login.failed', { token: admin }), 200).body;
    const addresses = items.map(({ address }: { address: string }) => address);
    expect(addresses.slice(0, 2)).toEqual(['127.0.0.1', '2001:db8:5:7:1:2:3:4']);
  });

  it('cannot be used to lock an account out: from where it has logged in before, it has a bucket of its own', async () => {
    const { email, password } = await registerUser(here.url);
    const attempt = (word: string, address: string, server = here) =>
      api(server.url).post('/auth/login', { email, password: word }, { headers: { 'x-forwarded-for': address } });
    const home = '2001:db8:77:1::5';
    expect((await attempt(password, home)).status).toBe(200);
    // Strangers fill the bucket of all networks that the account does not know.
    const refusals: number[] = [];
    for (let index = 0; index < 104; index++) {
      refusals.push((await attempt('wrong', `2001:db8:${0x1000 + index}::1`, index % 2 ? here : there)).status);
    }
    expect(refusals.slice(0, 100)).toEqual(Array(100).fill(401));
    expect(refusals.at(-1)).toBe(429);
    expect((await attempt(password, '2001:db8:78:1::5')).status).toBe(429);
    expect((await attempt(password, '2001:db8:77:1:a::9', there)).status).toBe(200);
    // Guessing from there has its own end, and is refused by name.
    for (let index = 0; index < 10; index++) expect((await attempt('wrong', home)).status).toBe(401);
    expect((await attempt(password, home)).status).toBe(429);
    const admin = await loginAdmin(here.url);
    const trail = expectStatus(await api(here.url).get('/audit?type=login.throttled', { token: admin }), 200).body;
    expect(trail.items.slice(0, 2).map(({ details }: any) => details.limit)).toEqual(['login-known', 'login-account']);
  });

  it('counts guessing by the /48 as well, in which one sender may have very many /64', async () => {
    const { email } = await registerUser(here.url);
    const statuses: number[] = [];
    for (let index = 0; index < 34; index++) {
      const headers = { 'x-forwarded-for': `2001:db8:99:${index.toString(16)}::1` };
      statuses.push((await api(here.url).post('/auth/login', { email, password: 'wrong' }, { headers })).status);
    }
    expect(statuses.filter((status) => status === 401)).toHaveLength(30);
    expect(statuses.at(-1)).toBe(429);
  });

  it('opens so many accounts a day from one /64 and one /48; a refused one does not count', async () => {
    const capped = await startServer({
      env: {
        DATABASE_URL: database.url,
        REDIS_URL: redis.url,
        JWT_SECRET,
        RATE_LIMIT_ENABLED: 'true',
        TRUST_PROXY: '1',
        QUEUE_PREFIX: 'capped',
        REGISTRATIONS_PER_ADDRESS: '2',
        REGISTRATIONS_PER_NETWORK: '3',
      },
      roles: ['api'],
    });
    try {
      const at = async (address: string, email: string) => {
        const credentials = { email, password: 'a password for tests' };
        const headers = { 'x-forwarded-for': address };
        const answer = await api(capped.url).post('/auth/register', credentials, { headers });
        return [answer.status, answer.body.code, Number(answer.headers.get('retry-after')) > 3600];
      };
      expect(await at('2001:db8:a:1::1', 'cap-1@example.test')).toEqual([201, undefined, false]);
      expect(await at('2001:db8:a:1::2', 'cap-1@example.test')).toEqual([409, 'EMAIL_TAKEN', false]);
      expect(await at('2001:db8:a:1::3', 'cap-2@example.test')).toEqual([201, undefined, false]);
      expect(await at('2001:db8:a:1::4', 'cap-3@example.test')).toEqual([429, 'TOO_MANY_REGISTRATIONS', true]);
      expect(await at('2001:db8:a:2::1', 'cap-3@example.test')).toEqual([201, undefined, false]);
      expect(await at('2001:db8:a:3::1', 'cap-4@example.test')).toEqual([429, 'TOO_MANY_REGISTRATIONS', true]);
      expect(await at('2001:db8:b:1::1', 'cap-4@example.test')).toEqual([201, undefined, false]);
    } finally {
      await capped.stop();
    }
  });

  it('answers a request for a mail at once, also while the mail server is away, and takes so many from one address', async () => {
    const { email } = await registerUser(here.url);
    const ask = async (mail: string, address: string): Promise<number> =>
      (await api(here.url).post('/auth/password/forgot', { email: mail }, { headers: { 'x-forwarded-for': address } }))
        .status;
    const statuses: number[] = [];
    for (let index = 0; index < 21; index++) statuses.push(await ask(email, '203.0.113.60'));
    expect(statuses).toEqual([...Array<number>(20).fill(204), 429]);
    expect(await ask('nobody@example.test', '203.0.113.61')).toBe(204);
    await until('it is in the log', () => here.stdout().includes('was not sent'));
    // Three of them reached the account, however many were asked for.
    const admin = await loginAdmin(here.url);
    const issued = await api(here.url).get('/audit?type=account.password_reset_issued', { token: admin });
    expect(expectStatus(issued, 200).body.items).toHaveLength(3);
  });

  it('believes nobody whose proxy is not heard for very many headers', async () => {
    const ask = async (start: string[], more: number): Promise<string> => {
      const forged = ['X-Forwarded-For: 203.0.113.99', ...Array<string>(more).fill('a:')];
      const lines = [...start, 'Host: x', ...forged, 'Connection: close', 'X-Forwarded-For: 203.0.113.98', '', ''];
      return (await raw(lines.join('\r\n'))).ended;
    };
    expect(await ask(['GET /health/live HTTP/1.1'], 96)).toMatch(/^HTTP\/1.1 200 /);
    const refused = await ask(['GET /health/live HTTP/1.1'], 97);
    expect(refused).toMatch(/^HTTP\/1.1 431 /);
    expect(refused).toContain('"code":"HEADERS_TOO_LARGE"');
    const handshake = [
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1',
      'Connection: upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ];
    expect(await ask(handshake, 93)).toMatch(/^HTTP\/1.1 400 [^]*\r\n\r\nForbidden$/);
    const login = ['POST /api/v1/auth/login HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 2'];
    expect(await ask(login, 300)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('counts a route in whatever form the router takes it', async () => {
    for (const path of ['/auth/login', '/AUTH/Login', '/auth/login/']) {
      const answer = await api(here.url).post(path, {}, { headers: { 'x-forwarded-for': '203.0.113.20' } });
      expect(answer.status).toBe(400);
      expect(answer.headers.get('ratelimit-policy')).toContain('"auth"');
    }
  });

  it('refuses further handshakes from where very many failed, before any key is looked up', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.30' };
    const shake = (auth: object): Promise<string | undefined> =>
      FeedSocket.connect(here.url, { ...auth }, headers).then(
        (socket) => void socket.close(),
        (error) => error.data?.code,
      );
    const codes = [];
    for (let index = 0; index <= 300; index++) codes.push(await shake({ api_key: `zsk_${'x'.repeat(43)}` }));
    expect(codes[0]).toBe('API_KEY_INVALID');
    expect(codes.at(-1)).toBe('RATE_LIMITED');
  });

  it('cuts off headers, bodies and further requests that do not come, and still serves others', async () => {
    const { token } = await registerUser(here.url);
    const silent = await raw('');
    const slowHeaders = await raw('GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const slowBody = await raw(
      'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"em',
    );
    // What the head refuses is answered at once, and its connection does not wait for the body either.
    const refused = await Promise.all(
      ['/nothing/at/all/binary', '/api/v1/agents/my-agent/binary'].map((path) =>
        raw(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"em`),
      ),
    );
    expect((await api(here.url).get('/auth/me', { token })).status).toBe(200);
    expect((await refused[0].ended).slice(0, 12)).toBe('HTTP/1.1 404');
    expect((await refused[1].ended).slice(0, 12)).toBe('HTTP/1.1 401');
    const answers = await Promise.all([silent.ended, slowHeaders.ended, slowBody.ended]);
    expect(answers[1]).toMatch(/^HTTP\/1.1 408 /);
    expect(answers[2]).toMatch(/^HTTP\/1.1 408 /);
    expect(answers[2]).toContain('REQUEST_TIMEOUT');
    const idle = await raw('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await idle.ended).toMatch(/^HTTP\/1.1 200 [^]*\r\nKeep-Alive: timeout=1\r\n/);
    const huge = await raw(`GET /health/live HTTP/1.1\r\nHost: x\r\nX-Large: ${'a'.repeat(20_000)}\r\n\r\n`);
    expect(await huge.ended).toMatch(/^HTTP\/1.1 431 /);
  });

  it('carries out nothing that follows an HTTP/1.0 request with Transfer-Encoding, and closes its connection', async () => {
    const smuggled = 'POST /api/v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const account = JSON.stringify({ email: 'smuggled@example.test', password: 'a password for tests' });
    const connection = await raw(
      'GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n' +
        'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n' +
        `${smuggled}Content-Length: ${account.length}\r\n\r\n${account}`,
    );
    const answer = await connection.ended;
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
    expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*\r\nConnection: close\r\n/);
    const login = await raw(
      `POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n` +
        `Content-Length: ${account.length}\r\n\r\n${account}`,
    );
    expect(await login.ended).toContain('WRONG_CREDENTIALS');
  });

  it('cuts off an answer of which nothing is taken, and one that has nothing to take yet it does not', async () => {
    const { token } = await registerUser(here.url);
    const input = 'x'.repeat(30_000_000);
    const { input_ref } = expectStatus(await api(here.url).post('/tasks/inputs', input, { token }), 201).body;
    const task = { required_capabilities: ['nobody-offers-it'], budget: 1, input_ref };
    const submitted = api(here.url).post('/tasks', task, { token, headers: { prefer: 'wait=5' } });
    const [{ id }] = await until('it is stored', async () => {
      const { items } = expectStatus(await api(here.url).get('/tasks', { token }), 200).body;
      return items.length > 0 && items;
    });
    const { hostname, port } = new URL(here.url);
    const deaf = connect(Number(port), hostname);
    deaf.write(
      `GET /api/v1/tasks/${id}/input?redirect=false HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    const download = (line: string): boolean => line.includes('/tasks/:id/input"');
    const ended = await until('the server has given it up', () => here.stdout().split('\n').find(download));
    expect(JSON.parse(ended)).toMatchObject({ status: 499 });
    deaf.destroy();
    expectStatus(await submitted, 202);
  });

  it('answers a connection of its proxy before it ends it, when too many requests wait on it', async () => {
    const headers = 'Host: x\r\nOrigin: https://app.example.test\r\nX-Forwarded-For: 203.0.113.77\r\n\r\n';
    const pipelined = await raw(`GET /health/live HTTP/1.1\r\n${headers}`.repeat(10));
    const [, refusal] = (await pipelined.ended).split('HTTP/1.1 429 ');
    expect(refusal).toContain('"code":"RATE_LIMITED"');
    // A browser's script can read it, too.
    expect(refusal).toContain('Access-Control-Allow-Origin: https://app.example.test\r\n');
    expect(refusal).toMatch(/Access-Control-Expose-Headers: .*Retry-After/);
    expect(refusal).toContain('X-Content-Type-Options: nosniff\r\n');
  });

  it('answers a client that would rather speak another protocol, as Java does, by the one it came in', async () => {
    const { email, password } = await registerUser(here.url);
    const body = JSON.stringify({ email, password });
    const wish = 'Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
    const login =
      `POST /api/v1/auth/login HTTP/1.1\r\n${wish}Content-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n`;
    const client = await raw(`GET /health/live HTTP/1.1\r\n${wish}\r\n`);
    await client.heard(1);
    client.send(login);
    client.send(body);
    await client.heard(2);
    client.send('GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    const answers = await client.ended;
    expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 401']);
    expect(answers).toContain('"access_token"');
    expect(answers).toContain('"code":"TOKEN_MISSING"');
  });

  it('lets browsers in from the listed origins only, sets its headers, and no cookie', async () => {
    const ask = (origin: string) => fetch(`${here.url}/health/live`, { headers: { origin } });
    const listed = await ask('https://app.example.test');
    expect(listed.headers.get('access-control-allow-origin')).toBe('https://app.example.test');
    expect((await ask('https://evil.example.test')).headers.get('access-control-allow-origin')).toBeNull();
    expect(listed.headers.get('x-content-type-options')).toBe('nosniff');
    expect(listed.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(listed.headers.get('x-powered-by')).toBeNull();
    const preflight = await fetch(`${here.url}/api/v1/tasks`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example.test',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization');
    const { email, password } = await registerUser(here.url);
    expect((await api(here.url).post('/auth/login', { email, password })).headers.get('set-cookie')).toBeNull();
  });

  it('gives up a Redis that says nothing any more, and asks it again when it does', async () => {
    const { email, password } = await registerUser(here.url);
    const logIn = async () => expectStatus(await api(here.url).post('/auth/login', { email, password }), 200);
    const away = (): boolean => here.stdout().includes('each process counts by itself');
    redis.signal('SIGSTOP');
    try {
      await until('it is known to be away', async () => (await logIn()) && away());
    } finally {
      redis.signal('SIGCONT');
    }
    await until('both count together', async () => {
      const headers = { 'x-forwarded-for': '203.0.113.40' };
      const wrong = { email: `${Math.random()}@example.test`, password: 'wrong' };
      for (let index = 0; index < 10; index++) await api(here.url).post('/auth/login', wrong, { headers });
      return (await api(there.url).post('/auth/login', wrong, { headers })).status === 429;
    });
  });

  it('goes on counting by itself, and carrying events and suspensions to every process, while Redis is away', async () => {
    const { token } = await registerUser(here.url);
    const admin = await loginAdmin(here.url);
    const suspended = await registerUser(here.url);
    const { id } = expectStatus(await api(here.url).get('/auth/me', { token: suspended.token }), 200).body;
    const ending = await FeedSocket.connect(there.url, { token: suspended.token });
    const listener = await FeedSocket.connect(there.url, { token });
    await redis.stop();
    const message = 'Redis is away.';
    const { seq } = expectStatus(
      await api(here.url).post('/gateway/announcements', { message }, { token: admin }),
      201,
    ).body;
    await until('the other process has found it in the table', () => seqsOf(listener.received).includes(seq));
    listener.close();
    expectStatus(await api(here.url).post(`/users/${id}/suspend`, undefined, { token: admin }), 200);
    await until('the other process has read it', () => ending.closing?.code === 'ACCOUNT_SUSPENDED');
    const statuses: number[] = [];
    for (let index = 0; index < 60; index++) {
      statuses.push((await api(here.url).get('/auth/me', { token })).status);
    }
    expect(statuses.slice(0, 30)).toEqual(statuses.slice(0, 30).map(() => 200));
    expect(statuses.at(-1)).toBe(429);
    expectStatus(await api(here.url).post('/auth/refresh', { refresh_token: 'none' }), 401);
  });

  interface Wire {
    ended: Promise<string>;
    send(text: string): void;
    /** Resolves once there are so many answers. */
    heard(answers: number): Promise<unknown>;
  }

  async function raw(text: string): Promise<Wire> {
    const { hostname, port } = new URL(here.url);
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => void (answer += chunk));
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(text);
    return {
      ended: once(socket, 'close').then(() => answer),
      send: (more) => void socket.write(more),
      heard: (answers) => until('it is answered', () => answer.split('HTTP/1.1 ').length > answers),
    };
  }
});
