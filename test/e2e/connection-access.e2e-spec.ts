import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { io, type Socket } from 'socket.io-client';
import { api, expectStatus, loginAdmin, registerUser, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { ask } from './rows.js';
import { forgeToken, inSeconds } from './tokens.js';

const JWT_SECRET = 'a secret of the tests, long enough to sign';
const UNKNOWN_ID = '01937a6e-0000-7000-8000-000000000000';
/** Five seconds are promised; the machine may be busy. */
const WAIT_MS = 15_000;

/** Connections are held at one process, and access is taken back at the other. */
describe('a connection to the feed', () => {
  let database: TestDatabase;
  let here: ServerProcess;
  let there: ServerProcess;
  let admin: string;
  let user: TestUser & { id: string };

  beforeAll(async () => {
    database = await createTestDatabase();
    const env = { DATABASE_URL: database.url, JWT_SECRET, TRUST_PROXY: '1', GATEWAY_CONNECTIONS_PER_ADDRESS: '3' };
    here = await startServer({ env, roles: ['api'] });
    there = await startServer({ env, roles: ['api'] });
    admin = await loginAdmin(here.url);
  });

  beforeEach(async () => {
    const registered = await registerUser(here.url);
    const { id } = (await api(here.url).get('/auth/me', { token: registered.token })).body;
    user = { ...registered, id };
  });

  afterAll(async () => {
    await Promise.all([here?.stop(), there?.stop()]);
    await database?.drop();
  });

  const tokenFor = (seconds: number, sub = user.id, role = 'user'): string =>
    forgeToken({ sub, sid: UNKNOWN_ID, role, iat: inSeconds(0), exp: inSeconds(seconds) }, JWT_SECRET);

  const createKey = async (scopes: string[]): Promise<{ id: string; key: string }> =>
    expectStatus(await api(here.url).post('/auth/api-keys', { name: 'a key', scopes }, { token: user.token }), 201)
      .body;

  it('is opened by an API key that may read tasks, and by no other', async () => {
    const { key } = await createKey(['tasks:read']);
    (await connect({ api_key: key })).close();
    await expect(connect({ api_key: (await createKey(['agents:read'])).key })).rejects.toBe('SCOPE_REQUIRED');
    await expect(connect({ api_key: `zsk_${'a'.repeat(43)}` })).rejects.toBe('API_KEY_INVALID');
    await expect(connect({ api_key: 7 })).rejects.toBe('API_KEY_INVALID');
    await expect(connect({})).rejects.toBe('TOKEN_INVALID');
    await expect(connect({ token: tokenFor(-1) })).rejects.toBe('TOKEN_EXPIRED');
    await expect(connect({ token: forgeToken({ sub: user.id, aud: 'dashboard' }, JWT_SECRET) })).rejects.toBe(
      'TOKEN_INVALID',
    );
  });

  it('ends, saying why, with the key that opened it', async () => {
    const { id, key } = await createKey(['tasks:read']);
    const socket = await connect({ api_key: key });
    const stream = await streamOf({ 'x-api-key': key });
    expectStatus(await api(here.url).delete(`/auth/api-keys/${id}`, { token: user.token }), 204);
    expect(await socket.closed).toBe('API_KEY_INVALID');
    expect(await stream.closed).toContain('event: closing\ndata: {"code":"API_KEY_INVALID"');
  });

  it('ends with the session, the account and the role', async () => {
    const bySession = await connect({ token: user.token });
    const stream = await streamOf({ authorization: `Bearer ${user.token}` });
    expectStatus(await api(here.url).post('/auth/logout', undefined, { token: user.token }), 204);
    expect(await bySession.closed).toBe('SESSION_REVOKED');
    expect(await stream.closed).toContain('SESSION_REVOKED');

    const byRole = await connect({ token: tokenFor(600) });
    expectStatus(await api(here.url).patch(`/users/${user.id}`, { role: 'admin' }, { token: admin }), 200);
    expect(await byRole.closed).toBe('ROLE_CHANGED');

    const byAccount = await connect({ token: tokenFor(600) });
    const streamOfAccount = await streamOf({ authorization: `Bearer ${tokenFor(600)}` });
    expectStatus(await api(here.url).post(`/users/${user.id}/suspend`, undefined, { token: admin }), 200);
    expect(await byAccount.closed).toBe('ACCOUNT_SUSPENDED');
    expect(await streamOfAccount.closed).toContain('ACCOUNT_SUSPENDED');
  });

  it('ends when its token expires, unless it is given a new one of the same user', async () => {
    const [left, refreshed] = [await connect({ token: tokenFor(4) }), await connect({ token: tokenFor(4) })];
    const stream = await streamOf({ authorization: `Bearer ${tokenFor(4)}` });
    const other = (await registerUser(here.url)).token;
    expect(await refreshed.refresh({ token: other })).toMatchObject({ ok: false, code: 'OTHER_CALLER' });
    expect(await refreshed.refresh({ token: tokenFor(-1) })).toMatchObject({ ok: false, code: 'TOKEN_EXPIRED' });
    expect(await refreshed.refresh(null)).toMatchObject({ ok: false, code: 'TOKEN_INVALID' });
    expect(await refreshed.refresh({ token: tokenFor(600) })).toEqual({
      ok: true,
      expires_at: expect.stringMatching(/^20.*Z$/),
    });
    expect(await left.closed).toBe('TOKEN_EXPIRED');
    expect(await stream.closed).toContain('TOKEN_EXPIRED');
    expect(await refreshed.refresh({ token: tokenFor(600) })).toMatchObject({ ok: true });
    refreshed.close();
  });

  describe('at a process whose database goes away', () => {
    let proxy: PostgresProxy;
    let server: ServerProcess;

    beforeAll(async () => {
      proxy = await startPostgresProxy(database.url);
      server = await startServer({ env: { DATABASE_URL: proxy.url, JWT_SECRET }, roles: ['api'] });
    });

    afterAll(async () => {
      await server?.stop();
      await proxy?.close();
    });

    it('comes back by itself when it could not be set up meanwhile', async () => {
      const { key } = await createKey(['tasks:read']);
      proxy.goAway();
      const received: unknown[][] = [[], []];
      const sockets = [{ token: user.token }, { api_key: key }].map((credentials, index) => {
        const auth = { ...credentials, after_seq: 0 };
        const socket = io(server.url, { auth, transports: ['websocket'], forceNew: true, reconnectionDelay: 50 });
        return socket.on('event', (event) => received[index].push(event));
      });
      try {
        await until('it cannot set them up', () => server.stdout().includes('connections cannot be set up'));
        await pause(500);
        proxy.comeBack();
        const event = `INSERT INTO task_events (type, user_id, data) VALUES ('task.log', '${user.id}', '{}')`;
        await ask(database.url, event);
        await until('both are up to date', () => received.every((events) => events.length === 1));
      } finally {
        for (const socket of sockets) socket.close();
      }
    });

    it('gets 503 and when to try again from each route, and a stream reconnects instead of ending', async () => {
      const { token, email, password } = user;
      const { key } = await createKey(['tasks:read']);
      const requests = {
        list: () => api(server.url).get('/tasks', { token }),
        'list by key': () => api(server.url).get('/tasks', { headers: { 'x-api-key': key } }),
        submit: () =>
          api(server.url).post('/tasks', { input: {}, budget: '1', required_capabilities: ['x'] }, { token }),
        agents: () => api(server.url).get('/agents', { token }),
        login: () => api(server.url).post('/auth/login', { email, password }),
        register: () => api(server.url).post('/auth/register', { email: 'late@example.com', password }),
      };
      const stream = () =>
        fetch(`${server.url}/api/v1/events`, { headers: { 'x-api-key': key, accept: 'text/event-stream' } });
      const health = async () => (await fetch(`${server.url}/health/ready`)).status;
      proxy.goAway();
      for (const [name, request] of Object.entries(requests)) {
        const { status, body, headers } = await request();
        expect([name, status, body.code, headers.get('retry-after')]).toEqual([name, 503, 'DATABASE_AWAY', '5']);
      }
      const ended = await stream();
      expect([ended.status, await ended.text()]).toEqual([
        200,
        expect.stringMatching(/^retry: 5000\nevent: closing\ndata: \{"code":"DATABASE_AWAY","message":".+"\}\n\n$/),
      ]);
      await until('readiness says so', async () => (await health()) === 503);
      expect((await fetch(`${server.url}/health/live`)).status).toBe(200);

      proxy.comeBack();
      await until('it is ready again', async () => (await health()) === 200);
      const statuses = Object.values(requests).map(async (request) => (await request()).status);
      expect(await Promise.all(statuses)).toEqual([200, 200, 202, 200, 200, 201]);
      const resumed = await stream();
      expect(resumed.status).toBe(200);
      await resumed.body?.cancel();
    });
  });

  it('counts under the address that a trusted proxy tells, of IPv6 under its network', async () => {
    const from = (address: string) => connect({ token: user.token }, { 'x-forwarded-for': address });
    const held = [await from('2001:db8::1'), await from('2001:db8::2'), await from('2001:db8::3')];
    await expect(from('2001:db8::4')).rejects.toBe('TOO_MANY_CONNECTIONS');
    held.push(await from('2001:db8:1::1'));
    for (const socket of held) socket.close();
    await until('there is room again', () =>
      from('2001:db8::4').then(
        (socket) => (socket.close(), true),
        () => false,
      ),
    );
  });

  it('counts under its own address when nobody says that a proxy may be believed', async () => {
    const env = { DATABASE_URL: database.url, JWT_SECRET, GATEWAY_CONNECTIONS_PER_ADDRESS: '2' };
    const open = await startServer({ env, roles: ['api'] });
    try {
      const from = (address: string) => connect({ token: user.token }, { 'x-forwarded-for': address }, open);
      const held = [await from('2001:db8::1'), await from('2001:db8:1::1')];
      await expect(from('2001:db8:2::1')).rejects.toBe('TOO_MANY_CONNECTIONS');
      for (const socket of held) socket.close();
    } finally {
      await open.stop();
    }
  });

  interface Connection {
    /** Resolves with the code the server gave for closing it. */
    closed: Promise<string>;
    refresh(credentials: unknown): Promise<unknown>;
    close(): void;
  }

  /** At the other process, unless it says where. @throws the code of a refused handshake */
  function connect(
    auth: Record<string, unknown>,
    headers: Record<string, string> = {},
    { url }: ServerProcess = there,
  ): Promise<Connection> {
    const options = { auth, extraHeaders: headers, transports: ['websocket'], forceNew: true, reconnection: false };
    const socket: Socket = io(url, options);
    let reason = '';
    socket.on('closing', ({ code }: { code: string }) => (reason = code));
    const closed = new Promise<string>((resolve) => socket.once('disconnect', () => resolve(reason)));
    const connection: Connection = {
      closed,
      refresh: (credentials) => socket.timeout(WAIT_MS).emitWithAck('auth.refresh', credentials),
      close: () => socket.close(),
    };
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(connection));
      socket.once('connect_error', (error: Error & { data?: { code: string } }) => {
        socket.close();
        reject(error.data?.code ?? error);
      });
    });
  }

  /** An event stream of the user's own feed. `closed` resolves with all it carried. */
  async function streamOf(credentials: Record<string, string>): Promise<{ closed: Promise<string> }> {
    const headers = { ...credentials, accept: 'text/event-stream', 'x-forwarded-for': '203.0.113.50' };
    const response = await fetch(`${there.url}/api/v1/events`, { headers });
    expect(response.status).toBe(200);
    return { closed: response.text() };
  }
});
