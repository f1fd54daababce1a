import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { api, expectStatus, loginAdmin, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { operationsUrl, scrape, total } from '../support/metrics.js';
import { emptyRedis } from '../support/redis.js';
import { until } from '../support/until.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { agent, chatty, endless, good, history, publish, submit, typesOf } from './agents.js';
import { ask } from './rows.js';
import { forgeToken, inSeconds } from './tokens.js';

const JWT_SECRET = 'shared by the two servers of this suite';

/** Fields of a task that starts in an hour. */
const LATER = { delay_ms: 3_600_000 };

/** What the queue promises to submitters, the same on both backends. */

describe.each(['PostgreSQL', 'Redis'])('a queue on %s', (backend) => {
  let database: TestDatabase;
  let server: ServerProcess;
  let full: ServerProcess;
  let url: string;
  let token: string;
  let adminToken: string;
  const body = <Fields extends object>(fields = {} as Fields) => ({
    required_capabilities: ['good'],
    budget: 1,
    input: {},
    ...fields,
  });

  beforeAll(async () => {
    database = await createTestDatabase();
    const redis = backend === 'Redis' ? await emptyRedis() : undefined;
    const env: Record<string, string> = {
      DATABASE_URL: database.url,
      METRICS_PORT: '0',
      SWEEP_INTERVAL_MS: '500',
      QUEUE_USER_WINDOW: '100',
      SANDBOX_SLOTS: '2',
      WORKER_CONCURRENCY: '8',
      JWT_SECRET,
      ...(redis && { REDIS_URL: redis.url, QUEUE_PREFIX: redis.prefix }),
    };
    server = await startServer({ env });
    full = await startServer({ env: { ...env, QUEUE_MAX_SIZE: '5', QUEUE_MAX_DELAYED: '100' }, roles: ['api'] });
    url = server.url;
    token = (await registerUser(url)).token;
    adminToken = await loginAdmin(url);
    await publish(url, token, 'good', await good(), { capabilities: ['good'] });
    await publish(url, token, 'endless', await endless(), { capabilities: ['endless'] });
    await publish(url, token, 'chatty', await chatty(5), { capabilities: ['chatty'] });
  }, 120_000); // two servers start, one after the other

  afterAll(async () => {
    await Promise.all([server?.stop(), full?.stop()]);
    await database?.drop();
  });

  const post = (path: string, task: object, headers: Record<string, string> = {}, from = url) =>
    api(from).post(path, task, { token, headers });
  // A test that fails must not leave the others waiting.
  afterEach(() => admin('resume'));

  const admin = async (what: 'pause' | 'resume') =>
    expectStatus(await api(url).post(`/queue/${what}`, undefined, { token: adminToken }), 200).body;
  const rowCount = async (): Promise<number> =>
    Number((await ask<{ count: string }>(database.url, 'SELECT count(*) FROM tasks', []))[0].count);

  // The first: an entry that some other task has left behind would make up for the one that is lost.
  describe('that has lost an entry', () => {
    it('gets that one back, and counts no other', async () => {
      await admin('pause');
      const [lost, kept, putOff] = [
        await submit(url, token, 'good'),
        await submit(url, token, 'good'),
        await submit(url, token, 'good', { delay_ms: 3_600_000 }),
      ];
      const entries = async (): Promise<number> =>
        total(await scrape(await operationsUrl(server)), 'zerostate_queue_entries');
      await until('those that may begin have entries', async () => (await entries()) === 2);
      const finds = async (): Promise<number> =>
        total(await scrape(await operationsUrl(server)), 'zerostate_sweeper_finds_total', 'kind="lost"');
      const before = await finds();
      expectStatus(await api(url).post(`/tasks/${lost}/cancel`, undefined, { token }), 200);
      await until('its entry is gone', async () => (await entries()) === 1);
      // Long ago, so that age alone excuses none of them.
      await ask(
        database.url,
        `UPDATE tasks
            SET created_at = created_at - interval '1 minute', status = CASE id WHEN $1 THEN 'queued' ELSE status END,
                error = NULL, completed_at = NULL`,
        [lost],
      );
      await until('it has an entry again', async () => (await entries()) === 2);
      await admin('resume');
      for (const id of [lost, kept]) await waitForTask(url, token, id, 'completed');
      expect(await finds()).toBe(before + 1);
      expectStatus(await api(url).post(`/tasks/${putOff}/cancel`, undefined, { token }), 200);
    });
  });

  describe('when a submission is repeated', () => {
    it('answers the same task to each, also when all come at once, and stores one', async () => {
      const before = await rowCount();
      const answers = await Promise.all(
        Array.from({ length: 12 }, () => post('/tasks', body(), { 'idempotency-key': 'once' })),
      );
      expect(new Set(answers.map((answer) => expectStatus(answer, 202).body.id)).size).toBe(1);
      await waitForTask(url, token, answers[0].body.id, 'completed');
      const later = expectStatus(await post('/tasks', body(), { 'idempotency-key': 'once' }), 202);
      expect(later.body).toMatchObject({ id: answers[0].body.id, status: 'completed', result: { ok: true } });
      expect(await rowCount()).toBe(before + 1);
    });

    it('refuses the key with another body, or as a batch', async () => {
      const headers = { 'idempotency-key': 'taken' };
      expectStatus(await post('/tasks', body(), headers), 202);
      const before = await rowCount();
      for (const answer of [
        await post('/tasks', body({ budget: 2 }), headers),
        await post('/tasks/batch', { tasks: [body()] }, headers),
      ]) {
        expect(expectStatus(answer, 422).body.code).toBe('IDEMPOTENCY_KEY_REUSED');
      }
      expect(await rowCount()).toBe(before);
    });

    it('answers the same tasks also when their deadline has come, which is too late for new ones', async () => {
      const late = body({ deadline: new Date(Date.now() + 5000).toISOString() });
      const one = (key?: string) => post('/tasks', late, key ? { 'idempotency-key': key } : {});
      const many = (key?: string) =>
        post('/tasks/batch', { tasks: [body(), late] }, key ? { 'idempotency-key': key } : {});
      const { id } = expectStatus(await one('late'), 202).body;
      const { items } = expectStatus(await many('late-ones'), 202).body;
      const ids = items.map((task: any) => task.id);
      await until('it has come', () => Date.now() > Date.parse(late.deadline));
      expect(expectStatus(await one('late'), 202).body.id).toBe(id);
      expect(expectStatus(await many('late-ones'), 202).body.items.map((task: any) => task.id)).toEqual(ids);
      expect(expectStatus(await one(), 400).body.errors).toMatchObject([{ field: 'deadline' }]);
      expect(expectStatus(await one('new'), 400).body.errors).toMatchObject([{ field: 'deadline' }]);
      expect(expectStatus(await many(), 400).body.errors).toMatchObject([{ field: 'tasks.1.deadline' }]);
    });

    it('keeps the keys of different users apart', async () => {
      const other = await registerUser(url);
      const mine = expectStatus(await post('/tasks', body(), { 'idempotency-key': 'mine' }), 202);
      const theirs = await api(url).post('/tasks', body(), {
        token: other.token,
        headers: { 'idempotency-key': 'mine' },
      });
      expect(expectStatus(theirs, 202).body.id).not.toBe(mine.body.id);
    });

    it('refuses a key that is too long', async () => {
      expectStatus(await post('/tasks', body(), { 'idempotency-key': 'x'.repeat(256) }), 400);
    });
  });

  describe('given a batch', () => {
    it('does all of its tasks, in one answer and in order', async () => {
      const tasks = Array.from({ length: 100 }, (_, n) => body({ description: `task ${n}` }));
      const headers = { 'idempotency-key': 'batch' };
      const { items } = expectStatus(await post('/tasks/batch', { tasks }, headers), 202).body;
      expect(items.map((task: any) => task.description)).toEqual(tasks.map((_, n) => `task ${n}`));
      for (const { id } of items) await waitForTask(url, token, id, 'completed', 60_000);
      const again = expectStatus(await post('/tasks/batch', { tasks }, headers), 202).body.items;
      expect(again.map((task: any) => task.id)).toEqual(items.map((task: any) => task.id));
    }, 90_000);

    it('stores none when one is wrong, and says which', async () => {
      const before = await rowCount();
      const answer = await post('/tasks/batch', { tasks: [body(), body({ budget: -1 }), body()] });
      expect(expectStatus(answer, 400).body.errors).toMatchObject([{ field: 'tasks.1.budget' }]);
      const none = await post('/tasks/batch', { tasks: [body(), null] });
      expect(expectStatus(none, 400).body.errors).toMatchObject([{ field: 'tasks.1' }]);
      expectStatus(await post('/tasks/batch', { tasks: [] }), 400);
      expectStatus(await post('/tasks/batch', { tasks: Array.from({ length: 1001 }, () => body()) }), 400);
      expect(await rowCount()).toBe(before);
    });

    it('takes a thousand', async () => {
      const tasks = Array.from({ length: 1000 }, () => body({ delay_ms: 3_600_000 }));
      const { items } = expectStatus(await post('/tasks/batch', { tasks }), 202).body;
      expect(new Set(items.map((task: any) => task.id)).size).toBe(1000);
      await ask(
        database.url,
        `DELETE FROM task_events WHERE task_id IN (SELECT id FROM tasks WHERE run_at IS NOT NULL)`,
        [],
      );
      await ask(database.url, `DELETE FROM tasks WHERE run_at IS NOT NULL`, []);
    });
  });

  describe('asked to wait', () => {
    it('answers the finished task', async () => {
      const answer = expectStatus(await post('/tasks', body(), { prefer: 'wait=30' }), 200);
      expect(answer.headers.get('preference-applied')).toBe('wait=30');
      expect(answer.body).toMatchObject({ status: 'completed', result: { ok: true } });
    });

    it('answers the task as it stands when the time is up, and goes on with it', async () => {
      const unfinished = body({ required_capabilities: ['endless'], timeout_ms: 300_000 });
      const answer = expectStatus(await post('/tasks', unfinished, { prefer: 'respond-async, wait=1' }), 202);
      await waitForTask(url, token, answer.body.id, 'running');
      expectStatus(await api(url).post(`/tasks/${answer.body.id}/cancel`, undefined, { token }), 200);
    });

    it('answers a repetition once the first has ended', async () => {
      const headers = { 'idempotency-key': 'waited-for', prefer: 'wait=30' };
      const answers = await Promise.all([post('/tasks', body(), headers), post('/tasks', body(), headers)]);
      expect(answers.map((answer) => [answer.status, answer.body.status])).toEqual([
        [200, 'completed'],
        [200, 'completed'],
      ]);
    });
  });

  describe('that is full', () => {
    it('refuses an account past its share, keeps room for others, and stores nothing of what it refuses', async () => {
      await admin('pause');
      const before = await rowCount();
      const keyed = await post('/tasks', body(), { 'idempotency-key': 'fits' }, full.url);
      expectStatus(keyed, 202);
      const answers = await Promise.all(Array.from({ length: 20 }, () => post('/tasks', body(), {}, full.url)));
      const refused = answers.filter(({ status }) => status !== 202);
      expect(refused).toHaveLength(18);
      for (const { status, body: problem, headers } of refused) {
        expect([status, problem.code]).toEqual([429, 'QUEUE_SHARE_EXCEEDED']);
        expect(problem.detail).toMatch(
          /^This account has \d waiting tasks; 1 more are too many \(its fair share of the 5 places is 3 now\)\. Nothing/,
        );
        expect(headers.get('retry-after')).toBe('1');
      }
      const batch = await post('/tasks/batch', { tasks: [body(LATER), body()] }, {}, full.url);
      expect(expectStatus(batch, 429).body.code).toBe('QUEUE_SHARE_EXCEEDED');
      const again = await post('/tasks', body(), { 'idempotency-key': 'fits' }, full.url);
      expect(expectStatus(again, 202).body.id).toBe(keyed.body.id);

      // Two strangers find room for one task each. Then every place is taken.
      const strangers = await Promise.all([1, 2, 3].map(async () => (await registerUser(url)).token));
      const first = (as: string, fields = {}) => api(full.url).post('/tasks', body(fields), { token: as });
      expectStatus(await first(strangers[0]), 202);
      expectStatus(await first(strangers[1]), 202);
      const { body: problem, headers } = expectStatus(await first(strangers[2]), 503);
      expect(problem).toMatchObject({
        code: 'QUEUE_FULL',
        detail: 'Queue full (limit 5 waiting tasks). Nothing was stored. Retry after 5 s.',
      });
      expect(headers.get('retry-after')).toBe('5');
      expect(await rowCount()).toBe(before + 5);
      // Tasks with a later start have places of their own.
      expectStatus(await first(strangers[2], LATER), 202);

      // When a task leaves, in whatever process, there is room again.
      expectStatus(await api(url).post(`/tasks/${keyed.body.id}/cancel`, undefined, { token }), 200);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expectStatus(await first(strangers[2]), 202);
      expect(full.stdout()).not.toContain('QUEUE_FULL');
    });

    it('cannot be filled by ten requests of two accounts for later: a third account finds room', async () => {
      const accounts = await Promise.all([1, 2, 3].map(async () => (await registerUser(url)).token));
      const submitBatch = async (as: string, length: number) => {
        const tasks = Array.from({ length }, () => body(LATER));
        return (await api(full.url).post('/tasks/batch', { tasks }, { token: as })).status;
      };
      const statuses: number[][] = [];
      for (const greedy of accounts.slice(0, 2)) {
        statuses.push(await Promise.all([1, 2, 3, 4, 5].map(() => submitBatch(greedy, 20))));
      }
      // Of 100 places ten are kept. The first account may have 45; it has two batches. The second may have 25.
      expect(statuses.map((some) => some.filter((status) => status === 202).length)).toEqual([2, 1]);
      expect(new Set(statuses.flat())).toEqual(new Set([202, 429]));
      expect(await submitBatch(accounts[2], 10)).toBe(202);
    });
  });

  describe('in the hands of an admin', () => {
    it('says what waits, and lets it wait while it is paused', async () => {
      expect(await admin('pause')).toMatchObject({ paused: true });
      const ids = await Promise.all(
        (['low', 'normal', 'high', 'critical', 'critical'] as const).map((priority) =>
          submit(url, token, 'good', { priority }),
        ),
      );
      const stats = await until('all are in the queue', async () => {
        const { body: counts } = await api(url).get('/queue/stats', { token: adminToken });
        return counts.waiting + counts.held === 5 && counts;
      });
      expect(stats).toMatchObject({
        paused: true,
        active: 0,
        waiting_by_priority: { low: 1, normal: 1, high: 1, critical: 2 },
      });
      expect(stats.oldest_waiting_ms).toBeGreaterThan(0);
      expect(await admin('resume')).toMatchObject({ paused: false });
      for (const id of ids) await waitForTask(url, token, id, 'completed');
    });

    it('lets nobody else pause it', async () => {
      for (const path of ['/queue/pause', '/queue/resume', '/queue/dashboard']) {
        expectStatus(await api(url).post(path, undefined, { token }), 403);
      }
    });

    it('is drained of what waits, of one user or of everybody, with a reason that submitters read', async () => {
      await admin('pause');
      const drain = (fields: object, as = adminToken) =>
        api(url).post('/queue/drain', { reason: 'maintenance', ...fields }, { token: as });
      await drain({}); // of what other tests have put off
      const other = (await registerUser(url)).token;
      const mine = [await submit(url, token, 'good'), await submit(url, token, 'good')];
      const theirs = await submit(url, other, 'good');
      const { id: userId } = (await api(url).get('/auth/me', { token: other })).body;
      expectStatus(await drain({}, token), 403);
      expectStatus(await drain({ reason: '' }), 400);
      expect(expectStatus(await drain({ user_id: userId }), 200).body).toEqual({ cancelled: 1, waiting: 0 });
      expect((await api(url).get(`/tasks/${theirs}`, { token: other })).body).toMatchObject({
        status: 'cancelled',
        error: { code: 'DRAINED', message: 'Cancelled by an administrator: maintenance' },
      });
      expect(expectStatus(await drain({ limit: 1 }), 200).body).toEqual({ cancelled: 1, waiting: 1 });
      expect(expectStatus(await drain({}), 200).body).toEqual({ cancelled: 1, waiting: 0 });
      for (const id of mine) expect((await api(url).get(`/tasks/${id}`, { token })).body.status).toBe('cancelled');
      await until('the queue is empty', async () => {
        const { body: counts } = await api(url).get('/queue/stats', { token: adminToken });
        return counts.waiting === 0 && counts.active === 0;
      });
      await admin('resume');
      await waitForTask(url, token, await submit(url, token, 'good'), 'completed');
      const { items } = (await api(url).get('/audit?type=queue.drained', { token: adminToken })).body;
      expect(items.length).toBe(4);
    });

    it('is shown to a browser that comes by a link, for as long as the access it was asked for holds', async () => {
      const page = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
        fetch(new URL(path, url), { headers, method, redirect: 'manual' });
      expectStatus(await api(url).post('/queue/dashboard', undefined, { token }), 403);
      const login = await loginAdmin(url);
      const { url: link } = expectStatus(
        await api(url).post('/queue/dashboard', undefined, { token: login }),
        201,
      ).body;
      const arrival = await page(link);
      expect([arrival.status, arrival.headers.get('location')]).toEqual([303, '/admin/queues']);
      // Looking at the head uses nothing up; opening the link does.
      const second = expectStatus(await api(url).post('/queue/dashboard', undefined, { token: login }), 201).body.url;
      const opened: number[] = [];
      for (const method of ['HEAD', 'GET', 'GET', 'HEAD']) opened.push((await page(second, {}, method)).status);
      expect(opened).toEqual([303, 303, 401, 303]);
      expect((await page(link)).status).toBe(401);
      const [cookie, ...attributes] = arrival.headers.get('set-cookie')!.split('; ');
      expect(attributes).toEqual(expect.arrayContaining(['Path=/admin/queues', 'HttpOnly', 'SameSite=Strict']));

      await admin('pause');
      const taskId = await submit(url, token, 'good');
      expect(await (await page('/admin/queues', { cookie })).text()).toContain('ZeroState');
      const shown = backend === 'Redis' ? '/admin/queues/api/queues?activeQueue=tasks&status=latest' : '/admin/queues';
      const entries = await until('the entry is shown', async () => {
        const text = await (await page(shown, { cookie })).text();
        return text.includes(taskId) && text;
      });
      if (backend === 'Redis') {
        expect(JSON.parse(entries).queues[0]).toMatchObject({ name: 'tasks', readOnlyMode: true, isPaused: true });
      } else {
        expect(entries).toMatch(/Paused\. 0 active, 1 waiting/);
      }

      expect((await page('/admin/queues', { authorization: `Bearer ${login}` })).status).toBe(200);
      expect((await page('/admin/queues', { authorization: `Bearer ${token}` })).status).toBe(403);

      // It changes nothing, and opens nothing else.
      for (const [path, method] of [
        ['/admin/queues/api/queues/tasks/resume', 'PUT'],
        ['/admin/queues/api/queues/resume', 'PUT'],
        [`/admin/queues/api/queues/tasks/${taskId}/clean`, 'PUT'],
        ['/admin/queues/api/queues/tasks/add', 'POST'],
      ]) {
        expect((await page(path, { cookie }, method)).status).toBe(403);
      }
      expect((await page('/api/v1/queue/stats', { cookie })).status).toBe(401);
      const asToken = { authorization: `Bearer ${cookie.split('=')[1]}` };
      expect((await page('/api/v1/queue/stats', asToken)).status).toBe(401);
      for (const [path, headers] of [
        ['/admin/queues', {}],
        ['/admin/queues', { cookie: 'zerostate_dashboard=garbage' }],
        ['/admin/queues', { cookie: `zerostate_dashboard=${login}` }],
        ['/admin/queues/api/queues', { cookie: 'zerostate_dashboard=%00%ff; __proto__=1' }],
        // The pass of a link is good for a cookie, and that of a cookie for no other.
        [`/admin/queues?pass=${cookie.split('=')[1]}`, {}],
        ['/admin/queues', { cookie: `zerostate_dashboard=${link.split('pass=')[1]}` }],
        [`/admin/queues?pass=${'9'.repeat(4000)}`, {}],
        [`/admin/queues?pass=${encodeURIComponent("' OR '1'='1")}&pass[__proto__]=1`, {}],
        ['/admin/queues?pass=%00', { authorization: 'Bearer not.a.token' }],
      ] as [string, Record<string, string>][]) {
        const refused = await page(path, headers);
        expect([path, refused.status]).toEqual([path, 401]);
        expect(await refused.json()).toMatchObject({ code: expect.stringMatching(/^(PASS|TOKEN)_|UNAUTHORI/) });
      }
      expectStatus(await api(url).post('/auth/logout', undefined, { token: login }), 204);
      expect((await page('/admin/queues', { cookie })).status).toBe(401);
      await admin('resume');
      await waitForTask(url, token, taskId, 'completed');
    });

    it('is shown no longer than the token or key lives that the link was asked for with', async () => {
      const endsAt = inSeconds(90);
      const expires_at = new Date(endsAt * 1000).toISOString();
      const body = { name: 'a short one', scopes: ['admin'], expires_at };
      const { key } = expectStatus(await api(url).post('/auth/api-keys', body, { token: adminToken }), 201).body;
      const { id } = (await api(url).get('/auth/me', { token: adminToken })).body;
      const claims = { sub: id, sid: newId(), role: 'admin', iat: endsAt - 900, exp: endsAt };
      for (const headers of [
        { 'x-api-key': key as string },
        { authorization: `Bearer ${forgeToken(claims, JWT_SECRET)}` },
      ] as Record<string, string>[]) {
        const { url: link } = expectStatus(await api(url).post('/queue/dashboard', undefined, { headers }), 201).body;
        const arrival = await fetch(new URL(link, url), { redirect: 'manual' });
        const [cookie] = arrival.headers.get('set-cookie')!.split('; ');
        expect((await fetch(new URL('/admin/queues', url), { headers: { cookie } })).status).toBe(200);
        const { iat, exp } = JSON.parse(Buffer.from(cookie.split('.')[1], 'base64url').toString());
        expect(exp).toBeLessThanOrEqual(endsAt);
        expect(exp - iat).toBeGreaterThan(0);
      }
    });

    it('repeats a failed task as a new one, once, and asks every agent anew', async () => {
      const id = await submit(url, token, 'unsteady', { context_id: 'unsteady-work' });
      expect((await waitForTask(url, token, id, 'failed')).error.code).toBe('NO_AGENT_AVAILABLE');
      await publish(url, token, 'unsteady', await agent('unreachable'), { capabilities: ['unsteady'] });
      const before = (await api(url).get(`/tasks/${id}`, { token })).body;
      const retry = (of: string, as: string) => api(url).post(`/tasks/${of}/retry`, undefined, { token: as });
      expectStatus(await retry(id, (await registerUser(url)).token), 404);
      let last = id;
      for (const as of [token, adminToken]) {
        const answer = expectStatus(await retry(last, as), 202);
        expect(answer.body).toMatchObject({
          retry_of: last,
          context_id: 'unsteady-work',
          error: null,
          completed_at: null,
        });
        expect(answer.headers.get('location')).toBe(`/api/v1/tasks/${answer.body.id}`);
        const again = await Promise.all([token, adminToken, token].map((one) => retry(last, one)));
        expect(again.map(({ status, body }) => [status, body.id])).toEqual(again.map(() => [202, answer.body.id]));
        last = answer.body.id;
        const task = await waitForTask(url, token, last, 'failed');
        expect(task.error.code).toBe('AGENT_TRAPPED');
        expect(task.attempts).toHaveLength(1);
      }
      expect((await api(url).get(`/tasks/${id}`, { token })).body).toEqual(before);
      const conversation = (as: string) => api(url).get('/tasks?context_id=unsteady-work', { token: as });
      expect((await conversation(token)).body.items.map((task: { id: string }) => task.id).at(0)).toBe(last);
      expect((await conversation(token)).body.items).toHaveLength(3);
      expect((await conversation((await registerUser(url)).token)).body.items).toEqual([]);
      for (const bad of ['', 'a b', 'x'.repeat(65), '%00']) {
        expectStatus(await api(url).get(`/tasks?context_id=${bad}`, { token }), 400);
      }
      const done = await submit(url, token, 'good');
      await waitForTask(url, token, done, 'completed');
      const refused = await api(url).post(`/tasks/${done}/retry`, undefined, { token });
      expect(expectStatus(refused, 409).body.code).toBe('NOT_RETRYABLE');
    });

    it('takes all that failed since a time and for a reason once more, and nothing else', async () => {
      const since = new Date().toISOString();
      const owner = (await registerUser(url)).token;
      const { id: ownerId } = (await api(url).get('/auth/me', { token: owner })).body;
      const soon = new Date(Date.now() + 2000).toISOString();
      const late = await submit(url, owner, 'missing', { deadline: soon });
      const ids = [await submit(url, owner, 'missing'), await submit(url, owner, 'missing')];
      for (const id of [late, ...ids]) await waitForTask(url, owner, id, 'failed');
      await until('a deadline has passed', async () => Date.now() > Date.parse(soon));
      const retry = (fields: object, as = adminToken) =>
        api(url).post('/queue/retry', { since, user_id: ownerId, ...fields }, { token: as });
      expectStatus(await retry({}, owner), 403);
      expectStatus(await retry({ since: 'yesterday' }), 400);
      expectStatus(await retry({ error_code: "'; --" }), 400);
      const nothing = { retried: 0, failed: 0 };
      expect((await retry({ error_code: 'AGENT_TRAPPED' })).body).toEqual(nothing);
      expect((await retry({ since: new Date().toISOString() })).body).toEqual(nothing);

      await publish(url, owner, 'found', await good(), { capabilities: ['missing'] });
      const code = { error_code: 'NO_AGENT_AVAILABLE' };
      expect(expectStatus(await retry({ ...code, limit: 1 }), 200).body).toEqual({ retried: 1, failed: 1 });
      expect(expectStatus(await retry(code), 200).body).toEqual({ retried: 1, failed: 0 });
      expect(expectStatus(await retry(code), 200).body).toEqual(nothing);
      const { items } = (await api(url).get('/tasks', { token: owner })).body;
      const retries = items.filter(({ retry_of }: { retry_of: string | null }) => retry_of !== null);
      expect(retries.map(({ retry_of }: { retry_of: string }) => retry_of).sort()).toEqual([...ids].sort());
      for (const { id } of retries) await waitForTask(url, owner, id, 'completed');
      expect((await api(url).get(`/tasks/${late}`, { token: owner })).body.status).toBe('failed');
    });
  });

  describe('shared by users and priorities', () => {
    it('does one user’s task long before another’s thousand', async () => {
      const many = (await registerUser(url)).token;
      const tasks = Array.from({ length: 1000 }, () => body());
      expectStatus(await api(url).post('/tasks/batch', { tasks }, { token: many }), 202);
      const id = await submit(url, token, 'good');
      await waitForTask(url, token, id, 'completed', 60_000);
      const left = async (): Promise<number> =>
        Number(
          (
            await ask<{ count: string }>(
              database.url,
              `SELECT count(*) FROM tasks WHERE status IN ('queued', 'assigned', 'running') AND run_at IS NULL`,
              [],
            )
          )[0].count,
        );
      expect(await left()).toBeGreaterThan(500);
      await until('the thousand are done, too', async () => (await left()) === 0, 120_000);
    }, 180_000);

    it('gives an account the share of the workers that an admin grants it, and only an admin can', async () => {
      const { email, token: asUser } = await registerUser(url);
      const { items } = (await api(url).get(`/users?email=${email}`, { token: adminToken })).body;
      const { id } = items[0];
      const change = (fields: object, as = adminToken) => api(url).patch(`/users/${id}`, fields, { token: as });
      expectStatus(await change({ queue_weight: 5 }, asUser), 403);
      for (const queue_weight of [0, 101, 1.5, '5', null])
        expect(expectStatus(await change({ queue_weight }), 400).body.errors[0].field).toBe('queue_weight');
      expectStatus(await change({}), 400);
      expect(expectStatus(await change({ queue_weight: 5 }), 200).body).toMatchObject({
        queue_weight: 5,
        role: 'user',
      });
      const acts = await api(url).get(`/audit?type=account.queue_weight_changed`, {
        token: adminToken,
      });
      expect(expectStatus(acts, 200).body.items).toMatchObject([{ subject_id: id, details: { from: 1, to: 5 } }]);
      await waitForTask(url, asUser, await submit(url, asUser, 'good'), 'completed');
    });

    it('starts a stranger’s task before another user’s critical ones that run for long', async () => {
      const [greedy, stranger] = [(await registerUser(url)).token, (await registerUser(url)).token];
      // Tasks with a later start come due together: that is no way around the others either.
      const tasks = Array.from({ length: 20 }, (_, n) => ({
        ...body({ required_capabilities: ['chatty'], priority: 'critical' }),
        ...(n % 2 && { delay_ms: 1 }),
      }));
      const { items } = expectStatus(await api(url).post('/tasks/batch', { tasks }, { token: greedy }), 202).body;
      await until('two run', async () => {
        const { body: running } = await api(url).get('/tasks?status=running', { token: greedy });
        return running.items.length === 2;
      });
      const id = await submit(url, stranger, 'good', { priority: 'low' });
      await waitForTask(url, stranger, id, 'completed');
      for (const task of items) await waitForTask(url, greedy, task.id, 'completed', 60_000);
      const [{ between }] = await ask<{ between: string }>(
        database.url,
        `SELECT count(*) AS between
           FROM tasks AS other, tasks AS mine
          WHERE mine.id = $1 AND other.id = ANY ($2) AND other.started_at BETWEEN mine.created_at AND mine.started_at`,
        [id, items.map((task: any) => task.id)],
      );
      // Those that the worker has taken, eight at most, and what is next in line. In the order of arrival there would be eighteen.
      expect(Number(between)).toBeLessThan(12);
    }, 90_000);

    it('lets a low task rise with age, past higher ones of its user that came before', async () => {
      await admin('pause');
      const tasks = Array.from({ length: 90 }, () => body({ priority: 'high' }));
      const { items } = expectStatus(await post('/tasks/batch', { tasks }), 202).body;
      const old = await submit(url, token, 'good', { priority: 'low' });
      await ask(database.url, `UPDATE tasks SET created_at = now() - interval '10 minutes' WHERE id = $1`, [old]);
      await admin('resume');
      for (const { id } of items) await waitForTask(url, token, id, 'completed', 60_000);
      const [{ before }] = await ask<{ before: string }>(
        database.url,
        `SELECT count(*) AS before FROM tasks WHERE id = ANY ($2) AND started_at < (SELECT started_at FROM tasks WHERE id = $1)`,
        [old, items.map(({ id }: { id: string }) => id)],
      );
      // As many as are taken at the same time may pass it on their way into the sandbox.
      expect(Number(before)).toBeLessThan(16);
    }, 90_000);
  });

  describe('given a task that failed long ago and is retried', () => {
    it('counts its wait, and lets it rise with age, from the retry on', async () => {
      const stats = async () => (await api(url).get('/queue/stats', { token: adminToken })).body;
      const retried = await submit(url, token, 'nowhere', { priority: 'low' });
      await waitForTask(url, token, retried, 'failed');
      const age = `UPDATE tasks SET created_at = now() - interval '10 minutes' WHERE id = $1`;
      await ask(database.url, age, [retried]);
      await admin('pause');
      const tasks = Array.from({ length: 30 }, () => body());
      expectStatus(await post('/tasks/batch', { tasks }), 202);
      const { id: retry } = expectStatus(
        await api(url).post(`/tasks/${retried}/retry`, undefined, { token }),
        202,
      ).body;
      expect((await stats()).oldest_waiting_ms).toBeLessThan(10 * 60_000);
      const old = await submit(url, token, 'good', { priority: 'low' });
      await ask(database.url, age, [old]);
      await admin('resume');
      const first = await waitForTask(url, token, old, 'completed');
      const last = await waitForTask(url, token, retry, 'failed');
      expect(Date.parse(first.completed_at)).toBeLessThan(Date.parse(last.completed_at));
    });
  });

  describe('with times', () => {
    it('does not start a task that is put off before its time', async () => {
      const runAt = new Date(Date.now() + 2000);
      const id = await submit(url, token, 'good', { run_at: runAt.toISOString() });
      const task = await waitForTask(url, token, id, 'completed');
      expect(Date.parse(task.started_at)).toBeGreaterThanOrEqual(runAt.getTime());
      expect(typesOf(await history(url, token, id))[0]).toBe('task.queued');
    });

    it('ends a running task at its deadline', async () => {
      const deadline = new Date(Date.now() + 2500).toISOString();
      const running = await submit(url, token, 'endless', { timeout_ms: 300_000, deadline });
      const task = await waitForTask(url, token, running, 'failed');
      expect(task.error.code).toBe('DEADLINE_EXCEEDED');
      expect(task.attempts).toMatchObject([{ outcome: 'timed_out' }]);
    });

    it('ends a waiting task at its deadline, without a run', async () => {
      await admin('pause');
      const waiting = await submit(url, token, 'good', { deadline: new Date(Date.now() + 1000).toISOString() });
      const task = await waitForTask(url, token, waiting, 'failed');
      expect(task).toMatchObject({ error: { code: 'DEADLINE_EXCEEDED' }, attempts: [] });
      await admin('resume');
    });

    it('takes the last day of the year 9999 for a deadline', async () => {
      const deadline = '9999-12-31T23:59:59.000Z';
      expect(expectStatus(await post('/tasks', body({ deadline })), 202).body).toMatchObject({ deadline });
    });

    it.each([
      ['a time too far ahead', { run_at: '2999-01-01T00:00:00Z' }, 'run_at'],
      ['a start too far ahead', { delay_ms: 1e12 }, 'delay_ms'],
      ['a deadline that has passed', { deadline: '2020-01-01T00:00:00Z' }, 'deadline'],
      [
        'a deadline before the start',
        { delay_ms: 60_000, deadline: new Date(Date.now() + 30_000).toISOString() },
        'deadline',
      ],
      ['two starts at once', { delay_ms: 0, run_at: '2020-01-01T00:00:00Z' }, 'delay_ms'],
      ['a time that is none', { run_at: '2026-13-45T00:00:00Z' }, 'run_at'],
      ['a day that its month does not have', { deadline: '2099-02-30T00:00:00Z' }, 'deadline'],
      ['a deadline after the year 9999', { deadline: '9999-12-31T23:59:59-14:00' }, 'deadline'],
    ])('refuses %s', async (_, fields, field) => {
      const answer = expectStatus(await post('/tasks', body(fields)), 400);
      expect(answer.body.errors).toMatchObject([{ field }]);
    });
  });
});
