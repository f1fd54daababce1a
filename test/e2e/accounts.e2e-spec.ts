import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADMIN, api, expectStatus, loginAdmin, registerUser, waitForTask, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { good, publish, submit } from './agents.js';
import { faultOf, read } from './problems.js';
import { ask, contentOf } from './rows.js';
import { forgeToken, inSeconds } from './tokens.js';
import { until } from '../support/until.js';

const JWT_SECRET = 'a secret of the tests, long enough to sign';
const PASSWORD = 'ten or more characters';
const UNKNOWN_ID = '01900000-0000-7000-8000-000000000000';

describe('accounts', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let smtp: SmtpServer;

  beforeAll(async () => {
    database = await createTestDatabase();
    smtp = await startSmtpServer();
    server = await startServer({
      env: {
        DATABASE_URL: database.url,
        JWT_SECRET,
        SMTP_URL: smtp.url,
        MAIL_FROM: 'ZeroState <noreply@example.test>',
        PASSWORD_RESET_URL: 'https://market.example.test/reset',
        RETENTION_INTERVAL_MS: '300',
      },
    });
  });

  afterAll(async () => {
    await server?.stop();
    await smtp?.close();
    await database?.drop();
  });

  describe('registering', () => {
    it('opens an account and logs it in', async () => {
      const { body } = await register('ada@example.test', PASSWORD, 201);
      expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 900, user: { role: 'user' } });
      const me = expectStatus(await api(server.url).get('/auth/me', { token: body.access_token }), 200).body;
      expect(me).toEqual(body.user);
      expect(me).toEqual({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        email: 'ada@example.test',
        role: 'user',
        created_at: expect.stringMatching(/^\d{4}-.+Z$/),
      });
    });

    it('is refused for an email there is, however it is written', async () => {
      await register('grace@example.test', PASSWORD, 201);
      for (const email of ['grace@example.test', 'GRACE@example.test', ' Grace@Example.TEST ']) {
        expect((await register(email, PASSWORD, 409)).body.code).toBe('EMAIL_TAKEN');
      }
    });

    it('gives an email to one of those who ask for it at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 6 }, () =>
          api(server.url).post('/auth/register', { email: 'popular@example.test', password: PASSWORD }),
        ),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
    });

    it.each([
      ['a short password', 'new@example.test', 'ninechars', 'password'],
      ['an endless password', 'new@example.test', 'x'.repeat(201), 'password'],
      ['no email', 'new.example.test', PASSWORD, 'email'],
      ['an endless email', `${'x'.repeat(300)}@example.test`, PASSWORD, 'email'],
    ])('is refused with %s', async (_, email, password, name) => {
      const { body } = await register(email, password, 400);
      expect(body.code).toBe('VALIDATION_FAILED');
      expect(new Set(body.errors.map(({ field }: { field: string }) => field))).toEqual(new Set([name]));
    });

    it('keeps passwords as argon2id hashes only', async () => {
      const rows = await ask<{ row: string; hash: string }>(
        database.url,
        'SELECT users::text AS row, password_hash AS hash FROM users',
      );
      expect(rows.length).toBeGreaterThan(2);
      for (const { row, hash } of rows) {
        expect(hash).toMatch(/^\$argon2id\$v=19\$m=\d+,[^$]+\$[^$]{20,}\$[^$]{40,}$/);
        expect(row).not.toContain(PASSWORD);
        expect(row).not.toContain(ADMIN.password);
      }
      expect(new Set(rows.map(({ hash }) => hash)).size).toBe(rows.length);
      expect(server.stdout()).not.toContain(PASSWORD);
    });
  });

  describe('logging in', () => {
    it('takes the email in any case', async () => {
      await register('Barbara@Example.test', PASSWORD, 201);
      for (const email of ['barbara@example.test', 'BARBARA@EXAMPLE.TEST', ' Barbara@example.test']) {
        const { body } = expectStatus(await api(server.url).post('/auth/login', { email, password: PASSWORD }), 200);
        expect(body.user.email).toBe('barbara@example.test');
      }
    });

    it('tells nobody whether it was the email or the password', async () => {
      await register('edsger@example.test', PASSWORD, 201);
      const attempts = [
        ['edsger@example.test', `${PASSWORD}!`],
        ['edsger@example.test', PASSWORD.toUpperCase()],
        ['edsger@example.test', ''],
        ['nobody@example.test', PASSWORD],
      ];
      for (const [email, password] of attempts) {
        const answer = await api(server.url).post('/auth/login', { email, password });
        expect({ status: answer.status, body: { ...answer.body, trace_id: '' } }).toEqual({
          status: 401,
          body: {
            type: 'urn:zerostate:problem:wrong-credentials',
            title: 'Unauthorized',
            status: 401,
            detail: 'Email or password is wrong.',
            code: 'WRONG_CREDENTIALS',
            trace_id: '',
          },
        });
      }
    });
  });

  describe('an access token', () => {
    it('expires, and is good on every process that has the secret until then', async () => {
      const shortLived = await startServer({
        env: { DATABASE_URL: database.url, JWT_SECRET, ACCESS_TOKEN_TTL: '4' },
        roles: ['api'],
      });
      try {
        const { access_token: lasting } = (await register('here@example.test', PASSWORD, 201)).body;
        expect((await api(shortLived.url).get('/auth/me', { token: lasting })).status).toBe(200);

        const credentials = { email: 'here@example.test', password: PASSWORD };
        const { body } = expectStatus(await api(shortLived.url).post('/auth/login', credentials), 200);
        expect(body.expires_in).toBe(4);
        const refusal = await until('the token has expired', async () => {
          const answer = await api(shortLived.url).get('/auth/me', { token: body.access_token });
          return answer.status !== 200 && answer;
        });
        expect(refusal).toMatchObject({ status: 401, body: { code: 'TOKEN_EXPIRED' } });
        const elsewhere = await api(server.url).get('/auth/me', { token: body.access_token });
        expect(elsewhere).toMatchObject({ status: 401, body: { code: 'TOKEN_EXPIRED' } });
      } finally {
        await shortLived.stop();
      }
    });

    it('that was issued for longer than tokens live now ends as if it were issued now', async () => {
      const { user } = (await register('longer@example.test', PASSWORD, 201)).body;
      const token = (age: number): string =>
        forgeToken(
          { sub: user.id, sid: UNKNOWN_ID, role: 'user', iat: inSeconds(-age), exp: inSeconds(86_400) },
          JWT_SECRET,
        );
      expect((await api(server.url).get('/auth/me', { token: token(600) })).status).toBe(200);
      const refusal = await api(server.url).get('/auth/me', { token: token(1200) });
      expect(refusal).toMatchObject({ status: 401, body: { code: 'TOKEN_EXPIRED' } });
    });

    it('is refused when another key signed it, or none', async () => {
      const { user } = (await register('forged@example.test', PASSWORD, 201)).body;
      const claims = { sub: user.id, sid: UNKNOWN_ID, role: 'admin', iat: inSeconds(0), exp: inSeconds(60) };
      const forged = [
        forgeToken(claims, randomBytes(32).toString('hex')),
        forgeToken(claims, null),
        forgeToken(claims, JWT_SECRET, { alg: 'none' }),
        forgeToken(claims, JWT_SECRET, { alg: 'RS256' }),
        forgeToken(claims, ''),
      ];
      for (const token of forged) {
        const answer = await api(server.url).get('/auth/me', { token });
        expect(answer).toMatchObject({ status: 401, body: { code: 'TOKEN_INVALID' } });
      }
      // So that it is the signature they were refused for.
      expect((await api(server.url).get('/auth/me', { token: forgeToken(claims, JWT_SECRET) })).status).toBe(200);
    });

    it('is asked for in words that say where to get one', async () => {
      const { status, body, headers } = await api(server.url).get('/auth/me');
      expect({ status, code: body.code }).toEqual({ status: 401, code: 'TOKEN_MISSING' });
      expect(headers.get('www-authenticate')).toBe('Bearer');
      expect(body.detail).toContain('/api/v1/auth/login');
    });
  });

  describe('a lost password', () => {
    const reset = (token: string, new_password: string) =>
      api(server.url).post('/auth/password/reset', { token, new_password });
    const logIn = async (email: string, password: string): Promise<number> =>
      (await api(server.url).post('/auth/login', { email, password })).status;
    const issue = (id: string, token?: string) =>
      api(server.url).post(`/users/${id}/password-reset`, undefined, { token });

    it('is replaced once with a token that an admin hands over, which ends all logins and leaves a trail', async () => {
      const admin = await loginAdmin(server.url);
      const { user, access_token } = (await register('lost@example.test', PASSWORD, 201)).body;
      expectStatus(await issue(user.id), 401);
      expectStatus(await issue(user.id, access_token), 403);
      expectStatus(await issue(UNKNOWN_ID, admin), 404);
      const first = expectStatus(await issue(user.id, admin), 201).body;
      const second = expectStatus(await issue(user.id, admin), 201).body;
      expect(second.url).toBe(`https://market.example.test/reset#token=${second.token}`);
      expect(Date.parse(second.expires_at)).toBeGreaterThan(Date.now() + 3_500_000);

      expect((await reset(second.token, 'short')).body.code).toBe('VALIDATION_FAILED');
      for (const wrong of [first.token, 'x'.repeat(43), `${second.token}x`, '']) {
        expect(await reset(wrong, 'a new password')).toMatchObject({
          status: 422,
          body: { code: 'RESET_TOKEN_INVALID' },
        });
      }
      const answers = await Promise.all([1, 2, 3].map((n) => reset(second.token, `a new password ${n}`)));
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 422, 422]);
      const chosen = `a new password ${answers.findIndex(({ status }) => status === 204) + 1}`;
      expect([await logIn(user.email, PASSWORD), await logIn(user.email, chosen)]).toEqual([401, 200]);
      expect((await api(server.url).get('/auth/me', { token: access_token })).body.code).toBe('SESSION_REVOKED');

      const expired = expectStatus(await issue(user.id, admin), 201).body;
      await ask(database.url, 'UPDATE one_time_tokens SET expires_at = now() WHERE user_id = $1', [user.id]);
      expect((await reset(expired.token, 'a new password')).body.code).toBe('RESET_TOKEN_INVALID');
      const trail = expectStatus(await api(server.url).get(`/audit?user_id=${user.id}`, { token: admin }), 200).body
        .items;
      const types = trail.map(({ type }: { type: string }) => type).filter((type: string) => type.includes('reset'));
      expect(types.toSorted()).toEqual(['account.password_reset', ...Array(3).fill('account.password_reset_issued')]);
      const kept =
        JSON.stringify(await ask(database.url, 'SELECT * FROM one_time_tokens, audit_log')) + server.stdout();
      for (const { token } of [first, second, expired]) expect(kept).not.toContain(token);
    });

    it('is replaced with a link by mail, and the answer does not tell whether there is such an account', async () => {
      await register('forgetful@example.test', PASSWORD, 201);
      const forgot = (email: string) => api(server.url).post('/auth/password/forgot', { email });
      const [unknown, known] = [await forgot('unknown@example.test'), await forgot(' Forgetful@Example.test')];
      expect([unknown.status, unknown.body]).toEqual([204, '']);
      expect([known.status, known.body]).toEqual([204, '']);
      const mail = await until('the mail is here', () => smtp.mails[0]);
      expect(mail.to).toBe('forgetful@example.test');
      const [, token] = /https:\/\/market\.example\.test\/reset#token=([\w-]{43})/.exec(mail.data) ?? [];
      expectStatus(await reset(token, 'remembered at last'), 204);
      expect(await logIn('forgetful@example.test', 'remembered at last')).toBe(200);
      expect(smtp.mails).toHaveLength(1);
    });

    it('goes to nobody that a quoted email names beside its own mailbox', async () => {
      const email = '"victim@example.test,x"@example.test';
      await register(email, PASSWORD, 201);
      const before = smtp.mails.length;
      expectStatus(await api(server.url).post('/auth/password/forgot', { email }), 204);
      await until('the mail is here', () => smtp.mails[before]);
      expect(smtp.mails.slice(before).map(({ to }) => to)).toEqual([email]);
    });

    it('cannot be replaced any more with a token from before the password was changed', async () => {
      const admin = await loginAdmin(server.url);
      const { user, access_token: token } = (await register('careful@example.test', PASSWORD, 201)).body;
      const leaked = expectStatus(await issue(user.id, admin), 201).body;
      const change = { current_password: PASSWORD, new_password: 'chosen after the leak' };
      expectStatus(await api(server.url).post('/auth/password', change, { token }), 204);
      expect((await reset(leaked.token, 'chosen by a thief')).body.code).toBe('RESET_TOKEN_INVALID');
      expect(await logIn(user.email, 'chosen after the leak')).toBe(200);
    });

    it('needs an admin where the server sends no mail', async () => {
      const silent = await startServer({ env: { DATABASE_URL: database.url, JWT_SECRET }, roles: ['api'] });
      try {
        const answer = await api(silent.url).post('/auth/password/forgot', { email: 'forgetful@example.test' });
        expect(answer).toMatchObject({ status: 403, body: { code: 'MAIL_NOT_CONFIGURED' } });
        const admin = await loginAdmin(silent.url);
        const { items } = (await api(silent.url).get('/users?email=forgetful@example.test', { token: admin })).body;
        expect(expectStatus(await issue(items[0].id, admin), 201).body.url).toContain('#token=');
      } finally {
        await silent.stop();
      }
    });
  });

  describe('deleting an account', () => {
    it('leaves nothing of its person but ids: logins, keys, agents, tasks and documents are gone', async () => {
      const admin = await loginAdmin(server.url);
      const credentials = { email: 'leaving@example.test', password: PASSWORD };
      const { user, access_token: token } = (await register(credentials.email, PASSWORD, 201)).body;
      const key = expectStatus(
        await api(server.url).post(
          '/auth/api-keys',
          { name: 'of Leaving Person', scopes: ['account:read'] },
          { token },
        ),
        201,
      ).body.key;
      const agentId = await publish(server.url, token, 'leaving-agent', await good(), {
        capabilities: ['leaving'],
        description: 'by Leaving Person',
      });
      const done = await submit(server.url, token, 'leaving', { input: { name: 'Leaving Person' } });
      await waitForTask(server.url, token, done, 'completed');
      const { input_ref } = expectStatus(
        await api(server.url).post('/tasks/inputs', { name: 'Leaving Person', much: 'x' }, { token }),
        201,
      ).body;
      const waiting = await submit(server.url, token, 'leaving', { input: undefined, input_ref, delay_ms: 3_600_000 });
      const wrong = await api(server.url).post('/auth/delete-account', { password: 'not the password' }, { token });
      expect(wrong).toMatchObject({ status: 422, body: { code: 'WRONG_PASSWORD' } });
      const withKey = await api(server.url).post('/auth/delete-account', credentials, {
        headers: { 'x-api-key': key },
      });
      expect(withKey.body.code).toBe('LOGIN_REQUIRED');

      expectStatus(await api(server.url).post('/auth/delete-account', { password: PASSWORD }, { token }), 204);
      expect((await api(server.url).get('/auth/me', { token })).body.code).toBe('ACCOUNT_GONE');
      expect((await api(server.url).get('/auth/me', { headers: { 'x-api-key': key } })).status).toBe(401);
      expect((await api(server.url).post('/auth/login', credentials)).body.code).toBe('WRONG_CREDENTIALS');
      expect((await api(server.url).get(`/users/${user.id}`, { token: admin })).status).toBe(404);
      expect((await api(server.url).get(`/agents/${agentId}`, { token: admin })).status).toBe(404);
      expect((await api(server.url).post(`/users/${user.id}/unsuspend`, {}, { token: admin })).status).toBe(404);
      await until('its tasks are gone', async () => {
        const { items } = (await api(server.url).get(`/tasks?user_id=${user.id}`, { token: admin })).body;
        return items.length === 0;
      });
      for (const id of [done, waiting])
        expect((await api(server.url).get(`/tasks/${id}`, { token: admin })).status).toBe(404);
      await until('the events are gone', async () => {
        // The newest event of all stays; somebody else's comes after it.
        await api(server.url).post('/gateway/announcements', { message: 'onwards' }, { token: admin });
        return (await ask(database.url, 'SELECT FROM task_events WHERE user_id = $1', [user.id])).length === 0;
      });
      for (const [table, columns] of [
        ['users', 'users::text'],
        ['api_keys', 'name'],
        ['agents', `slug || name || description`],
        ['tasks', 'tasks::text'],
        ['task_events', 'data::text'],
        ['audit_log', 'details::text'],
      ]) {
        const rows = await ask<{ text: string }>(database.url, `SELECT ${columns} AS text FROM ${table}`);
        expect([table, rows.filter(({ text }) => /leaving(?!-agent)|leaving person/i.test(text))]).toEqual([table, []]);
      }
      const trail = (await api(server.url).get(`/audit?type=account.deleted&user_id=${user.id}`, { token: admin })).body
        .items;
      expect(trail).toMatchObject([{ actor_id: user.id, subject_id: user.id }]);
      const [kept] = await ask<{ email: string }>(database.url, 'SELECT email FROM users WHERE id = $1', [user.id]);
      expect(kept.email).toBe(`deleted:${user.id}`);
      // The email is free again.
      await register(credentials.email, PASSWORD, 201);
    });

    it('can be done by an admin, but not to the last one', async () => {
      const admin = await loginAdmin(server.url);
      const { id } = (await api(server.url).get('/auth/me', { token: admin })).body;
      const { user, access_token } = (await register('removed@example.test', PASSWORD, 201)).body;
      // A stranger cannot register the email that a deleted account gets, so a stranger cannot block a deletion.
      await register(`${user.id}@deleted.invalid`, PASSWORD, 201);
      await register(`deleted:${user.id}`, PASSWORD, 400);
      const remove = (of: string, token?: string) => api(server.url).delete(`/users/${of}`, { token });
      expectStatus(await remove(user.id), 401);
      expectStatus(await remove(user.id, access_token), 403);
      expectStatus(await remove(user.id, admin), 204);
      expectStatus(await remove(user.id, admin), 404);
      expect((await remove(id, admin)).body.code).toBe('LAST_ADMIN');
      const own = await api(server.url).post('/auth/delete-account', { password: ADMIN.password }, { token: admin });
      expect(own).toMatchObject({ status: 409, body: { code: 'LAST_ADMIN' } });
      expect((await api(server.url).get('/users?limit=100', { token: admin })).body.items).not.toContainEqual(
        expect.objectContaining({ id: user.id }),
      );
    });
  });

  describe("somebody else's", () => {
    let owner: TestUser;
    let stranger: TestUser;
    let agentId: string;
    let hiddenAgentId: string;
    let taskId: string;

    beforeAll(async () => {
      [owner, stranger] = [await registerUser(server.url), await registerUser(server.url)];
      agentId = await publish(server.url, owner.token, 'theirs', await good(), { capabilities: ['theirs'] });
      const card = { slug: 'hidden', name: 'Hidden', capabilities: ['hidden'], price: 1 };
      hiddenAgentId = expectStatus(await api(server.url).post('/agents', card, { token: owner.token }), 201).body.id;
      taskId = await submit(server.url, owner.token, 'theirs');
      await waitForTask(server.url, owner.token, taskId, 'completed');
    });

    type Route = [method: string, path: string, body?: object];
    const ROUTES: Route[] = [
      ['GET', '/tasks/{task}'],
      ['GET', '/tasks/{task}/result'],
      ['GET', '/tasks/{task}/events'],
      ['GET', '/tasks/{task}/auction'],
      ['POST', '/tasks/{task}/cancel'],
      ['POST', '/tasks/{task}/rating', { rating: 1 }],
      ['GET', '/agents/{agent}'],
      ['PATCH', '/agents/{agent}', { price: 0 }],
      ['DELETE', '/agents/{agent}'],
      ['GET', '/agents/{agent}/versions'],
      ['GET', '/agents/{agent}/binary'],
      ['GET', '/agents/{agent}/binary?version=1.0.0'],
      ['GET', '/agents/{hidden}/card'],
    ];

    it.each(ROUTES)('is not there for a stranger: %s %s', async (...[method, path, body]: Route) => {
      const before = await contentOf(database.url);
      for (const accept of ['application/json', 'text/event-stream']) {
        const theirs = await call(stranger.token, method, existing(path), body, accept);
        const unknown = await call(stranger.token, method, path.replace(/\{\w+\}/, UNKNOWN_ID), body, accept);
        expect(faultOf(theirs, [404])).toBeUndefined();
        expect(withoutTrace(theirs.text)).toEqual(withoutTrace(unknown.text));
        expect([...theirs.headers.keys()]).toEqual([...unknown.headers.keys()]);
      }
      expect(await contentOf(database.url)).toEqual(before);
    });

    it('is not there by its slug either, but its card is for everybody while it is on the market', async () => {
      for (const path of [
        '/agents/theirs',
        '/agents/theirs/card',
        '/agents/theirs/versions',
        '/agents/theirs/binary',
      ]) {
        expect((await call(stranger.token, 'GET', path)).status).toBe(404);
      }
      const card = JSON.parse((await call(stranger.token, 'GET', `/agents/${agentId}/card`)).text);
      expect(card).toMatchObject({ id: agentId, slug: 'theirs' });
      expect(card).not.toHaveProperty('owner_id');
    });

    it('is in no list of a stranger', async () => {
      const { id } = JSON.parse((await call(owner.token, 'GET', '/auth/me')).text);
      const theirs = await call(stranger.token, 'GET', `/tasks?user_id=${id}`);
      expect([theirs.status, JSON.parse(theirs.text).code]).toEqual([403, 'ROLE_REQUIRED']);
      const own = JSON.parse((await call(owner.token, 'GET', `/tasks?user_id=${id.toUpperCase()}`)).text);
      expect(own.items.map((task: { id: string }) => task.id)).toEqual([taskId]);
      expect(JSON.parse((await call(stranger.token, 'GET', '/tasks')).text).items).toEqual([]);
      expect(JSON.parse((await call(stranger.token, 'GET', '/agents?mine=true')).text).items).toEqual([]);
      const market = JSON.parse((await call(stranger.token, 'GET', '/agents?limit=100')).text).items;
      const ids = market.map(({ id }: { id: string }) => id);
      expect([ids.includes(agentId), ids.includes(hiddenAgentId)]).toEqual([true, false]);
    });

    it('is open to an admin', async () => {
      const admin = await loginAdmin(server.url);
      for (const [method, path] of ROUTES.filter(([verb]) => verb === 'GET')) {
        expect([method, path, (await call(admin, method, existing(path))).status]).toEqual([method, path, 200]);
      }
      expect((await call(admin, 'POST', `/tasks/${taskId}/cancel`)).status).toBe(409);
      const changed = await call(admin, 'PATCH', `/agents/${hiddenAgentId}`, { name: 'Renamed' });
      expect(JSON.parse(changed.text)).toMatchObject({ name: 'Renamed' });
    });

    const existing = (path: string): string =>
      path.replace('{task}', taskId).replace('{agent}', agentId).replace('{hidden}', hiddenAgentId);
  });

  const register = async (email: string, password: string, status: number) =>
    expectStatus(await api(server.url).post('/auth/register', { email, password }), status);

  const call = async (token: string, method: string, path: string, body?: object, accept = 'application/json') =>
    read(
      await fetch(`${server.url}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, accept, ...(body && { 'content-type': 'application/json' }) },
        body: body && JSON.stringify(body),
      }),
    );
});

const withoutTrace = (text: string): object => ({ ...(JSON.parse(text) as object), trace_id: '' });
