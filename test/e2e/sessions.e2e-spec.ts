import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { io } from 'socket.io-client';
import { ADMIN, api, expectStatus, loginAdmin, registerUser, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { ask } from './rows.js';

const JWT_SECRET = 'a secret of the tests, long enough to sign';
/** Promised of every process, ms; the waiting is longer, since the machine may be busy. */
const WAIT_MS = 15_000;

/** Two processes on one database: what one is told, the other has to know. */
describe('sessions, keys and roles', () => {
  let database: TestDatabase;
  let here: ServerProcess;
  let there: ServerProcess;
  let admin: string;
  let user: TestUser & { id: string };
  /** Everything that must never be in a log. */
  const secrets = new Set<string>([ADMIN.password, JWT_SECRET]);

  beforeAll(async () => {
    database = await createTestDatabase();
    const env = { DATABASE_URL: database.url, JWT_SECRET, LOG_LEVEL: 'verbose' };
    here = await startServer({ env, roles: ['api'] });
    there = await startServer({ env, roles: ['api'] });
    admin = await loginAdmin(here.url);
  });

  beforeEach(async () => {
    const registered = await registerUser(here.url);
    const { id } = (await api(here.url).get('/auth/me', { token: registered.token })).body;
    user = { ...registered, id };
    secrets.add(user.password).add(user.token);
  });

  afterAll(async () => {
    await Promise.all([here?.stop(), there?.stop()]);
    await database?.drop();
  });

  describe('a refresh token', () => {
    it('gives new tokens once, on any process', async () => {
      const first = await open();
      const second = expectStatus(await refresh(there, first.refresh_token), 200).body;
      expect(second.refresh_token).not.toBe(first.refresh_token);
      expect((await me(here, second.access_token)).status).toBe(200);
      const third = expectStatus(await refresh(here, second.refresh_token), 200).body;
      expect(third.user).toEqual(first.user);
      expect(third.refresh_expires_at).toBe(first.refresh_expires_at);
    });

    it('ends the whole login when it is used again, on every process', async () => {
      const first = await open();
      const second = (await refresh(here, first.refresh_token)).body;
      const third = (await refresh(here, second.refresh_token)).body;
      expect(await refresh(here, first.refresh_token)).toMatchObject({
        status: 401,
        body: { code: 'REFRESH_TOKEN_INVALID' },
      });
      expect((await refresh(there, third.refresh_token)).status).toBe(401);
      expect((await me(here, third.access_token)).body.code).toBe('SESSION_REVOKED');
      await refusedSoon(there, third.access_token, 'SESSION_REVOKED');
      expect((await trail(`type=session.refresh_reused&user_id=${user.id}`)).length).toBe(1);
    });

    it('answers the same again to a client that lost the answer a moment ago', async () => {
      const first = await open();
      const answers = await Promise.all([1, 2, 3, 4].map(() => refresh(here, first.refresh_token)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
      await ask(database.url, `UPDATE sessions SET rotated_at = now() - interval '11 seconds' WHERE user_id = $1`, [
        user.id,
      ]);
      expect((await refresh(here, first.refresh_token)).status).toBe(401);
      expect((await refresh(here, answers[0].body.refresh_token)).status).toBe(401);
    });

    it('gives an access token that ends no later than the login', async () => {
      const { refresh_token } = await open();
      await ask(database.url, `UPDATE sessions SET expires_at = now() + interval '90 seconds' WHERE user_id = $1`, [
        user.id,
      ]);
      const { body } = expectStatus(await refresh(here, refresh_token), 200);
      const { exp } = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString());
      expect(exp * 1000).toBeLessThanOrEqual(Date.parse(body.refresh_expires_at));
      expect(body.expires_in).toBeLessThanOrEqual(90);
      expect((await me(there, body.access_token)).status).toBe(200);
    });

    it('is refused when it is forged, altered, expired or an access token', async () => {
      const { refresh_token: token, access_token: access } = await open();
      const [head, , mac] = token.split('.');
      for (const wrong of [`${head}.1.${mac}`, `${token.slice(0, -2)}AA`, access.slice(0, 190), 'zsr_', '']) {
        expect((await refresh(here, wrong)).body.code).toBe('REFRESH_TOKEN_INVALID');
      }
      await ask(database.url, `UPDATE sessions SET expires_at = now() WHERE user_id = $1`, [user.id]);
      expect((await refresh(here, token)).body.code).toBe('REFRESH_TOKEN_INVALID');
    });
  });

  describe('a login of the console', () => {
    const own = { 'sec-fetch-site': 'same-origin' };
    const browser = (route: string, headers: Record<string, string>, token?: string) => {
      const body = route === 'login' ? { email: user.email, password: user.password } : undefined;
      return api(here.url).post(`/auth/session/${route}`, body, { headers, token });
    };
    const cookieOf = (headers: Headers): string => headers.getSetCookie()[0] ?? '';

    it('keeps its refresh token in a cookie that scripts cannot read and other routes do not get', async () => {
      const login = expectStatus(await browser('login', own), 200);
      const set = cookieOf(login.headers);
      expect(set).toMatch(
        /^zerostate_session=zsr_[^;]+; Path=\/api\/v1\/auth\/session; Expires=[^;]+; HttpOnly; SameSite=Strict$/,
      );
      expect(Object.keys(login.body)).not.toContain('refresh_token');
      const [cookie] = set.split(';');
      secrets.add(cookie.split('=')[1]).add(login.body.access_token);
      expectStatus(await api(here.url).get('/auth/me', { headers: { cookie } }), 401);

      const next = expectStatus(await browser('refresh', { ...own, cookie }), 200);
      expectStatus(await me(here, next.body.access_token), 200);
      const [rotated] = cookieOf(next.headers).split(';');
      expect(rotated).not.toBe(cookie);

      const out = expectStatus(await browser('logout', own, next.body.access_token), 204);
      expect(cookieOf(out.headers)).toMatch(
        /^zerostate_session=; Path=\/api\/v1\/auth\/session; Expires=Thu, 01 Jan 1970/,
      );
      expectStatus(await browser('refresh', { ...own, cookie: rotated }), 401);
    });

    it('takes nothing from pages of other sites, and changes nothing then', async () => {
      const [cookie] = cookieOf((await browser('login', own)).headers).split(';');
      const others = [
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { origin: 'http://evil.test' },
        {},
      ];
      for (const headers of others) {
        const refused = await browser('refresh', { ...(headers as Record<string, string>), cookie });
        expect([refused.status, refused.body.code, cookieOf(refused.headers)]).toEqual([403, 'CROSS_SITE_REQUEST', '']);
        expectStatus(await browser('login', headers as Record<string, string>), 403);
      }
      expectStatus(await browser('refresh', { ...own, cookie }), 200);
    });
  });

  describe('logging out', () => {
    it('ends this login at once, on every process, and no other', async () => {
      const [first, second] = [await open(), await open()];
      expectStatus(await api(here.url).post('/auth/logout', undefined, { token: first.access_token }), 204);
      expect((await me(here, first.access_token)).body.code).toBe('SESSION_REVOKED');
      await refusedSoon(there, first.access_token, 'SESSION_REVOKED');
      expect((await refresh(there, first.refresh_token)).status).toBe(401);
      expect((await me(there, second.access_token)).status).toBe(200);
    });

    it('everywhere ends them all', async () => {
      const [first, second] = [await open(), await open()];
      expectStatus(await api(here.url).post('/auth/logout-all', undefined, { token: first.access_token }), 204);
      for (const { access_token: token } of [first, second]) await refusedSoon(there, token, 'SESSION_REVOKED');
      expect((await refresh(here, second.refresh_token)).status).toBe(401);
    });
  });

  it('a new password ends the other logins, and the old one is good no more', async () => {
    const [mine, other] = [await open(), await open()];
    const change = (current_password: string) =>
      api(here.url).post(
        '/auth/password',
        { current_password, new_password: 'quite another password' },
        { token: mine.access_token },
      );
    secrets.add('quite another password');
    expect((await change('not the password')).body.code).toBe('WRONG_PASSWORD');
    // Who has stolen a session tries passwords here.
    expect(await trail(`type=account.password_refused&user_id=${user.id}`)).toMatchObject([{ actor_id: user.id }]);
    expectStatus(await change(user.password), 204);
    expect((await me(here, mine.access_token)).status).toBe(200);
    await refusedSoon(there, other.access_token, 'SESSION_REVOKED');
    const { email, password } = user;
    expect((await api(here.url).post('/auth/login', { email, password })).status).toBe(401);
    expect((await api(here.url).post('/auth/login', { email, password: 'quite another password' })).status).toBe(200);
  });

  describe('a login under way', () => {
    it('opens nothing when the password it came with is changed meanwhile', async () => {
      const [mine, other] = [await open(), await open()];
      secrets.add('changed meanwhile');
      const [changed, login] = await meanwhile(
        () => changePassword(mine.access_token, 'changed meanwhile'),
        () => logIn(),
        rowOf(other),
      );
      expectStatus(changed, 204);
      expect(login).toMatchObject({ status: 401, body: { code: 'WRONG_CREDENTIALS' } });
      expect(await liveSessions()).toHaveLength(1);
    });

    it('opens nothing when its account is suspended meanwhile', async () => {
      const [suspended, login] = await meanwhile(
        () => call(here, admin, 'POST', `/users/${user.id}/suspend`),
        () => logIn(),
        rowOf(await open()),
      );
      expectStatus(suspended, 200);
      expect(login).toMatchObject({ status: 403, body: { code: 'ACCOUNT_SUSPENDED' } });
      await act('POST', `/users/${user.id}/unsuspend`);
      expect(await liveSessions()).toEqual([]);
    });
  });

  it('of two who change a password at once the second has to know the new one', async () => {
    const [mine, theirs, other] = [await open(), await open(), await open()];
    secrets.add('the first to come').add('the second to come');
    const [first, second] = await meanwhile(
      () => changePassword(mine.access_token, 'the first to come'),
      () => changePassword(theirs.access_token, 'the second to come'),
      rowOf(other),
    );
    expectStatus(first, 204);
    expect(second).toMatchObject({ status: 422, body: { code: 'WRONG_PASSWORD' } });
    const { email } = user;
    expectStatus(await api(here.url).post('/auth/login', { email, password: 'the first to come' }), 200);
  });

  describe('an admin', () => {
    it('suspends an account at once, on every process, keys included; and lets it in again', async () => {
      const { access_token: token, refresh_token } = await open();
      const socket = io(there.url, { transports: ['websocket'], auth: { token } });
      await new Promise<void>((resolve) => socket.once('connect', resolve));
      const dropped = new Promise<void>((resolve) => socket.once('disconnect', () => resolve()));
      const key = await createKey(token, ['account:read']);
      expect((await withKey(there, key)).status).toBe(200);
      expect((await act('POST', `/users/${user.id}/suspend`)).body.suspended_at).not.toBeNull();
      expect(await me(here, token)).toMatchObject({ status: 403, body: { code: 'ACCOUNT_SUSPENDED' } });
      await refusedSoon(there, token, 'ACCOUNT_SUSPENDED');
      await dropped;
      socket.close();
      await until('the key is refused', async () => (await withKey(there, key)).status === 403, WAIT_MS);
      expect((await refresh(there, refresh_token)).status).not.toBe(200);
      const { email, password } = user;
      expect((await api(there.url).post('/auth/login', { email, password })).body.code).toBe('ACCOUNT_SUSPENDED');
      expect((await api(there.url).post('/auth/login', { email, password: 'wrong' })).body.code).toBe(
        'WRONG_CREDENTIALS',
      );

      expect((await act('POST', `/users/${user.id}/unsuspend`)).body.suspended_at).toBeNull();
      expect((await open()).user.email).toBe(email);
      await until('the key is good again', async () => (await withKey(there, key)).status === 200, WAIT_MS);
    });

    it('promotes and demotes, which holds for tokens that are out already', async () => {
      const { access_token: token } = await open();
      expect((await api(there.url).get('/users', { token })).status).toBe(403);
      expect((await act('PATCH', `/users/${user.id}`, { role: 'admin' })).body.role).toBe('admin');
      await until(
        'the other process knows',
        async () => (await api(there.url).get('/users', { token })).status === 200,
      );
      await act('PATCH', `/users/${user.id}`, { role: 'user' });
      expect((await api(here.url).get('/users', { token })).status).toBe(403);
      await until(
        'the other process knows',
        async () => (await api(there.url).get('/users', { token })).status === 403,
      );
    });

    it('cannot take the last admin away, not even when two do it to each other at once', async () => {
      const first = (await api(here.url).get('/auth/me', { token: admin })).body.id;
      for (const [method, path, body] of [
        ['PATCH', `/users/${first}`, { role: 'user' }],
        ['POST', `/users/${first}/suspend`, undefined],
      ] as const) {
        expect(await call(here, admin, method, path, body)).toMatchObject({
          status: 409,
          body: { code: 'LAST_ADMIN' },
        });
      }
      await act('PATCH', `/users/${user.id}`, { role: 'admin' });
      const { access_token: second } = await open();
      const answers = await Promise.all([
        call(here, admin, 'PATCH', `/users/${user.id}`, { role: 'user' }),
        call(here, second, 'PATCH', `/users/${first}`, { role: 'user' }),
      ]);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      const rows = await ask(database.url, `SELECT 1 FROM users WHERE role = 'admin'`);
      expect(rows).toHaveLength(1);
      // Leave things as they were.
      await ask(database.url, `UPDATE users SET role = 'admin', access_changed_at = now() WHERE id = $1`, [first]);
      await ask(database.url, `UPDATE users SET role = 'user', access_changed_at = now() WHERE id = $1`, [user.id]);
      await until('it is known', async () => (await api(here.url).get('/users', { token: admin })).status === 200);
    });

    it('opens accounts, finds them, and reads what was done', async () => {
      const email = `made-${Date.now()}@example.test`;
      const made = (await act('POST', '/users', { email, password: 'a password for tests', role: 'user' }, 201)).body;
      expect((await act('GET', `/users?email=${email}`)).body.items).toEqual([made]);
      expect((await act('GET', `/users/${made.id}`)).body).toEqual(made);
      expect((await trail(`user_id=${made.id}`)).map(({ type }) => type)).toEqual(['account.created']);
      const page = (await act('GET', '/audit?limit=2')).body;
      const next = (await act('GET', `/audit?limit=2&cursor=${page.next_cursor}`)).body;
      expect(new Set([...page.items, ...next.items].map(({ id }: { id: string }) => id)).size).toBe(4);
      for (const sql of ['UPDATE audit_log SET type = type', 'DELETE FROM audit_log', 'TRUNCATE audit_log']) {
        await expect(ask(database.url, sql)).rejects.toThrow('append-only');
      }
    });
  });

  describe('an API key', () => {
    it('does what its scopes say, as its owner, and is kept as a hash', async () => {
      const { access_token: token } = await open();
      const key = await createKey(token, ['account:read', 'tasks:read']);
      expect((await withKey(here, key)).body.id).toBe(user.id);
      expect((await withKey(here, key, '/tasks')).status).toBe(200);
      expect((await withKey(here, key, '/agents')).body.code).toBe('SCOPE_REQUIRED');
      const [row] = await ask<{ text: string }>(
        database.url,
        'SELECT api_keys::text AS text FROM api_keys WHERE user_id = $1',
        [user.id],
      );
      expect(row.text).not.toContain(key);
      const { items } = (await api(here.url).get('/auth/api-keys', { token })).body;
      expect(items).toEqual([expect.objectContaining({ prefix: key.slice(0, 12), revoked_at: null })]);
      expect(JSON.stringify(items)).not.toContain(key);
      await until('its last use is written', async () => {
        const [{ last_used_at: used }] = (await api(here.url).get('/auth/api-keys', { token })).body.items;
        return used !== null;
      });
    });

    it('is good no more once it is revoked or has expired, on every process', async () => {
      const { access_token: token } = await open();
      const [first, second] = [await createKey(token, ['account:read']), await createKey(token, ['account:read'])];
      for (const key of [first, second]) expect((await withKey(there, key)).status).toBe(200);
      const { items } = (await api(here.url).get('/auth/api-keys', { token })).body;
      const id = items.find(({ prefix }: { prefix: string }) => prefix === first.slice(0, 12)).id;
      expectStatus(await api(here.url).delete(`/auth/api-keys/${id}`, { token }), 204);
      expect((await withKey(here, first)).body.code).toBe('API_KEY_INVALID');
      await until('the other process knows', async () => (await withKey(there, first)).status === 401, WAIT_MS);
      await ask(database.url, `UPDATE api_keys SET expires_at = now() WHERE user_id = $1`, [user.id]);
      await until('it has expired', async () => (await withKey(there, second)).status === 401, WAIT_MS);
    });

    it('expires at a time that can be written, or not at all', async () => {
      const { access_token: token } = await open();
      const make = (expires_at: string) =>
        api(here.url).post('/auth/api-keys', { name: 'for long', scopes: ['tasks:read'], expires_at }, { token });
      const { key, ...made } = expectStatus(await make('9999-12-31T23:59:59Z'), 201).body;
      secrets.add(key);
      expect(made.expires_at).toBe('9999-12-31T23:59:59.000Z');
      // In UTC the first is in the year 10000. The others name a day, an hour or a year that does not exist, or one that is over.
      for (const wrong of [
        '9999-12-31T23:59:59-23:59',
        '2099-02-30T00:00:00Z',
        '2099-01-01T24:00:00Z',
        '0000-01-01T00:00:00Z',
        '2020-01-01T00:00:00Z',
      ]) {
        const { status, body } = await make(wrong);
        expect([wrong, status]).toEqual([wrong, 400]);
        expect(body.errors[0].field).toBe('expires_at');
      }
    });

    it('gives no key more than it has itself, and never more than its owner', async () => {
      const { access_token: token } = await open();
      const body = { name: 'more', scopes: ['admin'] };
      expect((await api(here.url).post('/auth/api-keys', body, { token })).body.code).toBe('SCOPE_NOT_YOURS');
      const key = await createKey(token, ['account:write', 'tasks:read']);
      const make = (scopes: string[]) =>
        api(here.url).post('/auth/api-keys', { name: 'made by a key', scopes }, { headers: { 'x-api-key': key } });
      expect((await make(['agents:write'])).body.code).toBe('SCOPE_NOT_YOURS');
      secrets.add(expectStatus(await make(['tasks:read']), 201).body.key);
      const short = await createKey(token, ['account:write'], dateIn(3600));
      const makeUntil = (expires_at?: string) =>
        api(here.url).post(
          '/auth/api-keys',
          { name: 'outlives it', scopes: ['account:write'], expires_at },
          { headers: { 'x-api-key': short } },
        );
      expect((await makeUntil()).body.code).toBe('EXPIRY_NOT_YOURS');
      expect((await makeUntil(dateIn(7200))).body.code).toBe('EXPIRY_NOT_YOURS');
      secrets.add(expectStatus(await makeUntil(dateIn(1800)), 201).body.key);
      const logout = await api(here.url).post('/auth/logout', undefined, { headers: { 'x-api-key': key } });
      expect(logout.body.code).toBe('LOGIN_REQUIRED');
    });

    it('takes with it, when it is revoked, all that was made with it, and no other', async () => {
      const { access_token: token } = await open();
      const make = async (by: { token?: string; key?: string }): Promise<{ id: string; key: string }> => {
        const options = { token: by.token, headers: by.key ? { 'x-api-key': by.key } : undefined };
        const body = { name: 'a key', scopes: ['account:read', 'account:write'] };
        const made = expectStatus(await api(here.url).post('/auth/api-keys', body, options), 201).body;
        secrets.add(made.key);
        return made;
      };
      const first = await make({ token });
      const leaked = await make({ key: first.key });
      const child = await make({ key: leaked.key });
      const grandchild = await make({ key: child.key });
      expect(grandchild).toMatchObject({ made_with_id: child.id });
      for (const { key } of [leaked, child, grandchild]) expect((await withKey(there, key)).status).toBe(200);
      expectStatus(await api(there.url).delete(`/auth/api-keys/${leaked.id}`, { token }), 204);
      for (const { key } of [leaked, child, grandchild]) {
        await until('it is refused', async () => (await withKey(here, key)).body.code === 'API_KEY_INVALID', WAIT_MS);
      }
      expect((await withKey(here, first.key)).status).toBe(200);
      const revoked = (await trail(`type=api_key.revoked&user_id=${user.id}`)) as unknown as { details: object }[];
      expect(new Set(revoked.map(({ details }) => details))).toEqual(
        new Set([
          { key_id: leaked.id },
          { key_id: child.id, revoked_with_id: leaked.id },
          { key_id: grandchild.id, revoked_with_id: leaked.id },
        ]),
      );
    });

    it('makes none any more while it is being revoked', async () => {
      const session = await open();
      const key = await createKey(session.access_token, ['account:write']);
      const { items } = (await api(here.url).get('/auth/api-keys', { token: session.access_token })).body;
      const [revoked, made] = await meanwhile(
        () => api(here.url).delete(`/auth/api-keys/${items[0].id}`, { token: session.access_token }),
        () =>
          api(there.url).post(
            '/auth/api-keys',
            { name: 'made meanwhile', scopes: ['account:write'] },
            { headers: { 'x-api-key': key } },
          ),
        { sql: 'SELECT FROM users WHERE id = $1 FOR UPDATE', id: user.id },
      );
      expectStatus(revoked, 204);
      expect(made).toMatchObject({ status: 401, body: { code: 'API_KEY_INVALID' } });
    });

    it('takes one of the hundred places of its account until it is revoked or expires', async () => {
      const { access_token: token } = await open();
      const make = () => api(here.url).post('/auth/api-keys', { name: 'one more', scopes: ['tasks:read'] }, { token });
      await ask(
        database.url,
        `INSERT INTO api_keys (id, user_id, name, prefix, hash, scopes, expires_at)
         SELECT gen_random_uuid(), $1, 'one of many', 'zsk_', encode(sha256(gen_random_uuid()::text::bytea), 'hex'),
                ARRAY['tasks:read'], now() + interval '1 hour'
           FROM generate_series(1, 100)`,
        [user.id],
      );
      expect(await make()).toMatchObject({ status: 403, body: { code: 'QUOTA_EXCEEDED' } });
      await ask(
        database.url,
        'UPDATE api_keys SET expires_at = now() WHERE id = (SELECT id FROM api_keys WHERE user_id = $1 LIMIT 1)',
        [user.id],
      );
      secrets.add(expectStatus(await make(), 201).body.key);
      expect(await make()).toMatchObject({ status: 403, body: { code: 'QUOTA_EXCEEDED' } });
    });

    it("of an admin acts as an admin only with the scope 'admin'", async () => {
      const plain = await createKey(admin, ['account:read', 'tasks:read']);
      const full = await createKey(admin, ['admin']);
      expect((await withKey(here, plain, '/users')).body.code).toBe('SCOPE_REQUIRED');
      expect((await withKey(here, full, '/users')).status).toBe(200);
    });
  });

  it('registration can be closed, which leaves it to admins', async () => {
    const closed = await startServer({
      env: { DATABASE_URL: database.url, JWT_SECRET, REGISTRATION: 'closed' },
      roles: ['api'],
    });
    try {
      const credentials = { email: 'closed@example.test', password: 'a password for tests' };
      const answer = await api(closed.url).post('/auth/register', credentials);
      expect(answer).toMatchObject({ status: 403, body: { code: 'REGISTRATION_CLOSED' } });
      expectStatus(await api(closed.url).post('/users', credentials, { token: admin }), 201);
      expectStatus(await api(closed.url).post('/auth/login', credentials), 200);
    } finally {
      await closed.stop();
    }
  });

  it('leave no password, token or key in any log or in the audit trail', async () => {
    const log = here.stdout() + there.stdout();
    const kept = JSON.stringify(await ask(database.url, 'SELECT * FROM audit_log'));
    expect(secrets.size).toBeGreaterThan(30);
    expect([...secrets].filter((secret) => log.includes(secret) || kept.includes(secret))).toEqual([]);
    expect(log).not.toMatch(/"level":"(error|fatal)"/);
  });

  async function open() {
    const { email, password } = user;
    const { body } = expectStatus(await api(here.url).post('/auth/login', { email, password }), 200);
    secrets.add(body.access_token).add(body.refresh_token);
    return body;
  }

  /**
   * Asks for a change, and for something else before that change can have ended: the row is held until the other request waits for the
   * change, or is answered without.
   */
  async function meanwhile(change: () => Answer, otherwise: () => Answer, held: { sql: string; id: string }) {
    const holder = new pg.Client(database.url);
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query(held.sql, [held.id]);
      const changed = change();
      await until('the change waits', async () => (await waiting()) === 1);
      let isAnswered = false;
      const other = otherwise().finally(() => (isAnswered = true));
      await until('the other one waits or is done', async () => isAnswered || (await waiting()) === 2);
      await holder.query('COMMIT');
      return await Promise.all([changed, other]);
    } finally {
      await holder.end();
    }
  }

  const rowOf = ({ refresh_token }: { refresh_token: string }) => ({
    sql: 'SELECT FROM sessions WHERE id = $1 FOR UPDATE',
    id: /^zsr_([^.]+)/.exec(refresh_token)![1],
  });

  /** How many transactions wait for another one. */
  const waiting = async (): Promise<number> =>
    (
      await ask(
        database.url,
        'SELECT FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0',
      )
    ).length;

  const logIn = () => api(here.url).post('/auth/login', { email: user.email, password: user.password });

  const changePassword = (token: string, new_password: string) =>
    api(here.url).post('/auth/password', { current_password: user.password, new_password }, { token });

  const liveSessions = () =>
    ask(database.url, 'SELECT FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', [user.id]);

  async function refresh(server: ServerProcess, refresh_token: string) {
    const answer = await api(server.url).post('/auth/refresh', { refresh_token });
    if (answer.status === 200) secrets.add(answer.body.refresh_token).add(answer.body.access_token);
    return answer;
  }

  const me = (server: ServerProcess, token: string) => api(server.url).get('/auth/me', { token });

  const refusedSoon = (server: ServerProcess, token: string, code: string) =>
    until(`a process answers ${code}`, async () => (await me(server, token)).body.code === code, WAIT_MS);

  async function createKey(token: string, scopes: string[], expires_at?: string): Promise<string> {
    const answer = await api(here.url).post('/auth/api-keys', { name: 'a key', scopes, expires_at }, { token });
    const { key } = expectStatus(answer, 201).body;
    secrets.add(key);
    return key;
  }

  const withKey = (server: ServerProcess, key: string, path = '/auth/me') =>
    api(server.url).get(path, { headers: { 'x-api-key': key } });

  const call = (server: ServerProcess, token: string, method: string, path: string, body?: object) => {
    const client = api(server.url);
    if (method === 'GET') return client.get(path, { token });
    return method === 'PATCH' ? client.patch(path, body, { token }) : client.post(path, body, { token });
  };

  const act = async (method: string, path: string, body?: object, status = 200) =>
    expectStatus(await call(here, admin, method, path, body), status);

  const trail = async (query: string): Promise<{ type: string }[]> => (await act('GET', `/audit?${query}`)).body.items;
});

type Answer = ReturnType<ReturnType<typeof api>['post']>;

const dateIn = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString();
