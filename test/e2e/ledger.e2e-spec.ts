import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifyLedger } from '../../src/ledger/verification.js';
import { api, expectStatus, login, loginAdmin, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { type FeedEvent, good, publish, submit, trapping } from './agents.js';
import { ask } from './rows.js';

interface Account extends TestUser {
  id: string;
}

describe('the ledger', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let admin: string;
  let owner: Account;
  let agentId: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    const env = { DATABASE_URL: database.url, SIGNUP_CREDITS: '100', MARKET_FEE_PERCENT: '10', MIN_AGENT_RATING: '0' };
    server = await startServer({ env });
    admin = await loginAdmin(server.url);
    owner = await account();
    agentId = await publish(server.url, owner.token, 'paid', await good(), { capabilities: ['paid'], price: '2' });
    await publish(server.url, owner.token, 'broken', await trapping(), { capabilities: ['broken'], price: '2' });
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  it('gives a new account and the first admin their opening credits', async () => {
    const user = await account();
    expect(await balanceOf(user)).toEqual({ available: 100, held: 0, pending: 0 });
    expect(expectStatus(await get('/ledger/balance', admin), 200).body.available).toBe(100);
    expect((await transfersOf(user)).items).toMatchObject([{ kind: 'signup', amount: 100, available_change: 100 }]);
  });

  it('pays the owner less the fee, releases the rest, and both see it in their statements', async () => {
    const user = await account();
    const before = await balanceOf(owner);
    const id = await submit(server.url, user.token, 'paid', { budget: 5 });
    await waitForTask(server.url, user.token, id, 'completed');
    expect(await balanceOf(user)).toEqual({ available: 98, held: 0, pending: 0 });
    expect(await balanceOf(owner)).toEqual({ ...before, pending: before.pending + 1.8 });
    const ofTask = expectStatus(await get(`/ledger/transfers?task_id=${id}`, user.token), 200).body.items;
    expect(ofTask.map((item: { kind: string; held_change: number }) => [item.kind, item.held_change])).toEqual([
      ['release', -3],
      ['fee', -0.2],
      ['post', -1.8],
      ['hold', 5],
    ]);
    const [bought, earned] = await Promise.all([statementOf(user), statementOf(owner)]);
    const line = { task_id: id, agent_id: agentId, agent_name: 'paid', price: 2, fee: 0.2 };
    expect(bought).toMatchObject({ opening: 0, bought: 2, other: 100, closing: 98 });
    expect(bought.items).toContainEqual(expect.objectContaining({ ...line, side: 'bought', amount: -2 }));
    expect(earned.items).toContainEqual(expect.objectContaining({ ...line, side: 'earned', amount: 1.8 }));
    const csv = expectStatus(await get(`/ledger/statement?month=${month()}&format=csv`, user.token), 200);
    expect(csv.headers.get('content-type')).toContain('text/csv');
    expect(csv.body).toContain(`,bought,post,${id},${agentId},paid,2,0.2,-2\r\n`);
  });

  it('refuses what an account cannot pay, says what is missing, and stores nothing', async () => {
    const user = await account();
    const refused = expectStatus(await post('/tasks', taskOf(100.5), user.token), 402);
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    expect(refused.body).toMatchObject({ code: 'INSUFFICIENT_CREDITS', required: 100.5, available: 100 });
    expect(refused.body.detail).toContain('0.5 are missing');
    const batch = { tasks: [taskOf(60), taskOf(60)] };
    expect(expectStatus(await post('/tasks/batch', batch, user.token), 402).body.required).toBe(120);
    expect((await get('/tasks', user.token)).body.items).toEqual([]);
    expect(await balanceOf(user)).toEqual({ available: 100, held: 0, pending: 0 });
  });

  it('holds once for a repeated submission, and overdraws nothing at the edge of a balance', async () => {
    const user = await account();
    const later = (budget: number) => ({ ...taskOf(budget), delay_ms: 3_600_000 });
    const headers = { 'idempotency-key': 'once' };
    const same = await Promise.all([1, 2, 3].map(() => post('/tasks', later(10), user.token, headers)));
    expect(new Set(same.map((answer) => expectStatus(answer, 202).body.id)).size).toBe(1);
    expect(await balanceOf(user)).toEqual({ available: 90, held: 10, pending: 0 });
    const answers = await Promise.all(Array.from({ length: 14 }, () => post('/tasks', later(10), user.token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(9).fill(202), ...Array(5).fill(402)]);
    expect(await balanceOf(user)).toEqual({ available: 0, held: 100, pending: 0 });
    const tasks = answers.filter(({ status }) => status === 202).map(({ body }) => body.id as string);
    for (const id of tasks) expectStatus(await post(`/tasks/${id}/cancel`, undefined, user.token), 200);
    expect(await balanceOf(user)).toEqual({ available: 90, held: 10, pending: 0 });
  });

  it('releases the budget of a task that fails, and holds it for its retry, once', async () => {
    const user = await account();
    const id = await submit(server.url, user.token, 'broken', { budget: 100 });
    await waitForTask(server.url, user.token, id, 'failed');
    expect(await balanceOf(user)).toEqual({ available: 100, held: 0, pending: 0 });
    const waiting = expectStatus(await post('/tasks', { ...taskOf(1), delay_ms: 3_600_000 }, user.token), 202).body.id;
    const refused = expectStatus(await post(`/tasks/${id}/retry`, undefined, user.token), 402);
    expect(refused.body).toMatchObject({ required: 100, available: 99 });
    expectStatus(await post(`/tasks/${waiting}/cancel`, undefined, user.token), 200);
    const retries = await Promise.all([1, 2, 3].map(() => post(`/tasks/${id}/retry`, undefined, user.token)));
    const [retry, ...same] = retries.map((answer) => expectStatus(answer, 202).body.id as string);
    expect(same).toEqual([retry, retry]);
    await waitForTask(server.url, user.token, retry, 'failed');
    expect((await transfersOf(user, 'hold')).items).toHaveLength(3);
    expect(await balanceOf(user)).toEqual({ available: 100, held: 0, pending: 0 });
  });

  it('lets admins grant and correct with a reason, and records both', async () => {
    const user = await account();
    expectStatus(await post('/ledger/grants', { user_id: user.id, amount: '5.5', reason: 'a pilot' }, admin), 201);
    const correction = { user_id: user.id, amount: 5, reason: 'a mistake', direction: 'remove' };
    expectStatus(await post('/ledger/corrections', correction, admin), 201);
    expect(await balanceOf(user)).toEqual({ available: 100.5, held: 0, pending: 0 });
    const tooMuch = expectStatus(await post('/ledger/corrections', { ...correction, amount: 101 }, admin), 409);
    expect(tooMuch.body.code).toBe('BALANCE_TOO_LOW');
    const audit = expectStatus(await get(`/audit?user_id=${user.id}`, admin), 200).body.items;
    expect(audit.map(({ type }: { type: string }) => type)).toEqual(
      expect.arrayContaining(['ledger.grant', 'ledger.correction']),
    );
    const events = await eventsOf(user);
    expect(events.map(({ type, data }) => [type, data.reason])).toEqual([
      ['ledger.credited', 'a pilot'],
      ['ledger.debited', 'a mistake'],
    ]);
    expect((await eventsOf(owner)).filter(({ data }) => data.reason === 'a pilot')).toEqual([]);
  });

  it('refuses amounts that are no amounts, and other people’s accounts, and changes nothing', async () => {
    const user = await account();
    const before = await ask(database.url, 'SELECT count(*) FROM ledger_transfers');
    for (const amount of [-1, 0, '0.0000001', 1.0000001, 1e12, '1e3', 'NaN', null, '', {}, [1]]) {
      const grant = { user_id: user.id, amount, reason: 'bad' };
      expectStatus(await post('/ledger/grants', grant, admin), 400);
      expectStatus(await post('/ledger/corrections', { ...grant, direction: 'remove' }, admin), 400);
      expectStatus(await post('/ledger/topups', { user_id: user.id, amount, reference: 'bad' }, admin), 400);
      expectStatus(await post('/ledger/payouts', { amount }, user.token), 400);
    }
    const grant = { user_id: user.id, amount: 1, reason: 'mine' };
    for (const path of ['/ledger/grants', '/ledger/corrections']) {
      expectStatus(await post(path, { ...grant, direction: 'add' }, user.token), 403);
    }
    expectStatus(await post('/ledger/topups', { user_id: user.id, amount: 1, reference: 'mine' }, user.token), 403);
    expectStatus(await post('/ledger/grants', { ...grant, user_id: agentId }, admin), 404);
    for (const path of ['balance?', 'transfers?', 'payouts?', `statement?month=${month()}&`]) {
      expectStatus(await get(`/ledger/${path}user_id=${owner.id}`, user.token), 403);
    }
    expectStatus(await get('/ledger/totals', user.token), 403);
    expectStatus(await get('/ledger/statement?month=2026-13', user.token), 400);
    expect(await ask(database.url, 'SELECT count(*) FROM ledger_transfers')).toEqual(before);
  });

  it('credits a payment once by its reference, by a key that may do nothing else', async () => {
    const user = await account();
    const keyOf = async (token: string) =>
      expectStatus(await post('/auth/api-keys', { name: 'webhook', scopes: ['ledger:write'] }, token), 201).body.key;
    const headers = { 'x-api-key': (await keyOf(admin)) as string };
    const topUp = { user_id: user.id, amount: 25, reference: `pay-${user.id}` };
    expectStatus(await api(server.url).post('/ledger/topups', topUp, { headers }), 201);
    expectStatus(await api(server.url).post('/ledger/topups', topUp, { headers }), 200);
    const other = await api(server.url).post('/ledger/topups', { ...topUp, amount: 26 }, { headers });
    expect(expectStatus(other, 422).body.code).toBe('REFERENCE_REUSED');
    expect(await balanceOf(user)).toEqual({ available: 125, held: 0, pending: 0 });
    expectStatus(await api(server.url).post('/ledger/grants', { ...topUp, reason: 'x' }, { headers }), 403);
    const own = { 'x-api-key': (await keyOf(user.token)) as string };
    expectStatus(await api(server.url).post('/ledger/topups', topUp, { headers: own }), 403);
  });

  it('reserves a payout until an admin pays or rejects it', async () => {
    const user = await account();
    const request = (amount: number) => post('/ledger/payouts', { amount, note: 'my account' }, user.token);
    const [first, second] = [expectStatus(await request(30), 201).body, expectStatus(await request(50), 201).body];
    expect(await balanceOf(user)).toEqual({ available: 20, held: 80, pending: 0 });
    expect(expectStatus(await request(20.000001), 402).body).toMatchObject({ required: 20.000001, available: 20 });
    expectStatus(await post(`/ledger/payouts/${first.id}/confirm`, { reference: 'bank 1' }, user.token), 403);
    const paid = expectStatus(await post(`/ledger/payouts/${first.id}/confirm`, { reference: 'bank 1' }, admin), 200);
    expect(paid.body).toMatchObject({ status: 'paid', answer: 'bank 1', amount: 30 });
    expectStatus(await post(`/ledger/payouts/${second.id}/reject`, { reason: 'unknown name' }, admin), 200);
    for (const { id } of [first, second]) {
      expectStatus(await post(`/ledger/payouts/${id}/reject`, { reason: 'again' }, admin), 409);
    }
    expect(await balanceOf(user)).toEqual({ available: 70, held: 0, pending: 0 });
    const listed = expectStatus(await get('/ledger/payouts', user.token), 200).body.items;
    expect(listed.map(({ status }: { status: string }) => status)).toEqual(['rejected', 'paid']);
    expect((await eventsOf(user)).map(({ type }) => type)).toEqual([
      ...['ledger.payout_requested', 'ledger.payout_requested', 'ledger.payout_paid', 'ledger.payout_rejected'],
    ]);
  });

  it('returns what was paid when a dispute is upheld, and leaves it when it is rejected', async () => {
    const user = await account();
    const before = await balanceOf(owner);
    const tasks: string[] = [];
    for (let count = 0; count < 2; count++) {
      const id = await submit(server.url, user.token, 'paid', { budget: 2 });
      await waitForTask(server.url, user.token, id, 'completed');
      tasks.push(id);
    }
    const open = (task_id: string, token: string) => post('/ledger/disputes', { task_id, reason: 'wrong text' }, token);
    expectStatus(await open(tasks[0], owner.token), 404);
    const disputes: string[] = [];
    for (const id of tasks) disputes.push(expectStatus(await open(id, user.token), 201).body.id as string);
    expect(expectStatus(await open(tasks[0], user.token), 409).body.code).toBe('ALREADY_DISPUTED');
    expectStatus(await post(`/ledger/disputes/${disputes[0]}/answer`, { text: 'It is right.' }, user.token), 404);
    expectStatus(await post(`/ledger/disputes/${disputes[0]}/answer`, { text: 'It is right.' }, owner.token), 200);
    // Disputed earnings do not become available, however old they are.
    expect((await balanceOf(owner)).pending).toBeCloseTo(before.pending + 3.6, 6);
    const decide = (id: string, how: string, token = admin) =>
      post(`/ledger/disputes/${id}/${how}`, { text: 'I looked at it.' }, token);
    expectStatus(await decide(disputes[0], 'uphold', user.token), 403);
    expect(expectStatus(await decide(disputes[0], 'uphold'), 200).body).toMatchObject({ status: 'upheld', amount: 2 });
    expectStatus(await decide(disputes[1], 'reject'), 200);
    expectStatus(await decide(disputes[1], 'uphold'), 409);
    expect(await balanceOf(user)).toEqual({ available: 98, held: 0, pending: 0 });
    expect((await balanceOf(owner)).pending).toBeCloseTo(before.pending + 1.8, 6);
    for (const party of [user, owner]) {
      const types = (await eventsOf(party)).filter(({ data }) => disputes.includes(data.dispute_id as string));
      expect(types.map(({ type }) => type.replace('ledger.dispute_', ''))).toEqual([
        ...['opened', 'opened', 'answered', 'upheld', 'rejected'],
      ]);
    }
  });

  it('releases what a deleted account had on hold', async () => {
    const user = await account();
    expectStatus(await post('/tasks', { ...taskOf(40), delay_ms: 3_600_000 }, user.token), 202);
    expectStatus(await api(server.url).delete(`/users/${user.id}`, { token: admin }), 204);
    const rows = () =>
      ask<Row>(database.url, `SELECT available_micro, held_micro FROM ledger_balances WHERE user_id = '${user.id}'`);
    await until('its task is cancelled', async () => (await rows())[0].held_micro === '0');
    expect(await rows()).toEqual([{ available_micro: '100000000', held_micro: '0' }]);
  });

  describe('with spending limits', () => {
    const UNLIMITED = { per_task: null, per_day: null };
    const later = (budget: number) => ({ ...taskOf(budget), delay_ms: 3_600_000 });
    const put = (path: string, body: unknown, token: string, headers = {}) =>
      api(server.url).put(`/ledger/limits${path}`, body, { token, headers });
    const withKey = (key: string) => ({ headers: { 'x-api-key': key } });
    const keyOf = async (token: string) => {
      const body = { name: 'robot', scopes: ['tasks:read', 'tasks:write', 'account:write', 'ledger:read'] };
      return expectStatus(await post('/auth/api-keys', body, token), 201).body as { id: string; key: string };
    };

    it('refuses what is over a limit of the account, says what is left and until when, and stores nothing', async () => {
      const user = await account();
      expectStatus(await post('/tasks', later(4), user.token), 202);
      const set = expectStatus(await put('', { per_task: '5', per_day: 10 }, user.token), 200).body;
      const renews_at = new Date(Math.floor(Date.now() / 86_400_000 + 1) * 86_400_000).toISOString();
      expect(set).toEqual({
        items: [{ key_id: null, key_name: null, per_task: 5, per_day: 10, spent_today: 4, left_today: 6, renews_at }],
      });
      const dear = expectStatus(await post('/tasks', later(5.5), user.token), 403).body;
      const refusal = { code: 'SPENDING_LIMIT_EXCEEDED', key_id: null };
      expect(dear).toMatchObject({ ...refusal, limit: 'per_task', required: 5.5, left: 5, renews_at: null });
      const batch = { tasks: [later(2), later(4), later(1)] };
      const many = expectStatus(await post('/tasks/batch', batch, user.token, { 'idempotency-key': 'many' }), 403).body;
      expect(many).toMatchObject({ ...refusal, limit: 'per_day', required: 7, left: 6, renews_at });
      expect(many.detail).toBe(
        `This needs 7 credits, and your account may spend 6 more until ${renews_at}. Nothing was stored. ` +
          'Lower the budget, wait until then, or log in and raise the limit.',
      );
      const hosted = { ...later(5), allow: { http: true }, max_host_cost: 0.000001 };
      expectStatus(await post('/tasks', hosted, user.token), 403);
      expect(await balanceOf(user)).toEqual({ available: 96, held: 4, pending: 0 });
      const answers = await Promise.all(Array.from({ length: 10 }, () => post('/tasks', later(1.5), user.token)));
      expect(answers.map(({ status }) => status).sort()).toEqual([...Array(4).fill(202), ...Array(6).fill(403)]);
      expectStatus(await put('', UNLIMITED, user.token), 200);
      expectStatus(await post('/tasks/batch', batch, user.token, { 'idempotency-key': 'many' }), 202);
      const audit = expectStatus(await get(`/audit?user_id=${user.id}&type=ledger.limits_set`, admin), 200).body.items;
      expect(audit.map(({ details }: { details: object }) => details)).toEqual([
        { key_id: null, ...UNLIMITED },
        { key_id: null, per_task: 5, per_day: 10 },
      ]);
    });

    it('lets an API key neither change limits nor escape its own, by making a key or by a retry', async () => {
      const user = await account();
      const id = await submit(server.url, user.token, 'broken', { budget: 3 });
      await waitForTask(server.url, user.token, id, 'failed');
      const limited = await keyOf(user.token);
      expectStatus(await put(`/keys/${limited.id}`, { per_task: null, per_day: 2 }, user.token), 200);
      for (const path of ['', `/keys/${limited.id}`]) {
        const refused = await api(server.url).put(`/ledger/limits${path}`, UNLIMITED, withKey(limited.key));
        expect(expectStatus(refused, 403).body.code).toBe('LOGIN_REQUIRED');
      }
      const made = await api(server.url).post(
        '/auth/api-keys',
        { name: 'child', scopes: ['tasks:write'] },
        withKey(limited.key),
      );
      const child = expectStatus(made, 201).body as { id: string; key: string };
      for (const { key } of [limited, child]) {
        const refused = expectStatus(await api(server.url).post('/tasks', later(2.5), withKey(key)), 403).body;
        expect(refused).toMatchObject({ code: 'SPENDING_LIMIT_EXCEEDED', key_id: limited.id, required: 2.5, left: 2 });
        const retried = await api(server.url).post(`/tasks/${id}/retry`, undefined, withKey(key));
        expect(expectStatus(retried, 403).body).toMatchObject({ key_id: limited.id, required: 3, left: 2 });
      }
      expectStatus(await api(server.url).post('/tasks', later(1), withKey(child.key)), 202);
      const seen = expectStatus(await api(server.url).get('/ledger/limits', withKey(limited.key)), 200).body.items;
      expect(seen).toMatchObject([{ key_id: limited.id, key_name: 'robot', spent_today: 1, left_today: 1 }]);
      expectStatus(await post(`/tasks/${id}/retry`, undefined, user.token), 202);
      await waitForTask(server.url, user.token, id, 'failed');
    });

    it('refuses limits that are no amounts, and other people’s keys, and changes nothing', async () => {
      const [user, stranger] = [await account(), await account()];
      const { id } = await keyOf(stranger.token);
      for (const bad of [-1, '0.0000001', 1e12, '1e3', 'NaN', '', {}, [1], true, undefined]) {
        for (const body of [
          { per_task: bad, per_day: 1 },
          { per_task: 1, per_day: bad },
        ])
          expectStatus(await put('', body, user.token), 400);
      }
      for (const key of [id, user.id, 'nonsense']) expectStatus(await put(`/keys/${key}`, UNLIMITED, user.token), 404);
      expectStatus(await api(server.url).delete(`/auth/api-keys/${id}`, { token: stranger.token }), 204);
      expectStatus(await put(`/keys/${id}`, UNLIMITED, stranger.token), 404);
      for (const { token } of [user, stranger]) {
        expect(expectStatus(await get('/ledger/limits', token), 200).body).toEqual({ items: [] });
      }
    });
  });

  it('adds up at the end of all this', async () => {
    const report = await verifyLedger(<R>(text: string) => ask(database.url, text) as Promise<R[]>);
    expect(report).toMatchObject({ count: 0, findings: [] });
    expect(report.transfers).toBeGreaterThan(40);
    const totals = expectStatus(await get('/ledger/totals', admin), 200).body as Record<string, string>;
    expect(Object.values(totals).reduce((sum, part) => sum + Number(part), 0)).toBeCloseTo(0, 6);
    expect(Number(totals.fees)).toBeGreaterThan(0);
    expect(totals.paid_out).toBe('30');
  });

  const get = (path: string, token: string) => api(server.url).get(path, { token });
  const post = (path: string, body: unknown, token: string, headers = {}) =>
    api(server.url).post(path, body, { token, headers });

  async function account(): Promise<Account> {
    const user = await registerUser(server.url);
    const token = await login(server.url, user);
    return { ...user, token, id: expectStatus(await get('/auth/me', token), 200).body.id as string };
  }

  const balanceOf = async ({ token }: Account) =>
    expectStatus(await get('/ledger/balance', token), 200).body as Balance;
  const transfersOf = async ({ token }: Account, kind?: string) =>
    expectStatus(await get(`/ledger/transfers${kind ? `?kind=${kind}` : ''}`, token), 200).body;
  const statementOf = async ({ token }: Account) =>
    expectStatus(await get(`/ledger/statement?month=${month()}`, token), 200).body;

  async function eventsOf({ token }: Account): Promise<FeedEvent[]> {
    const { items } = expectStatus(await get('/events', token), 200).body as { items: FeedEvent[] };
    return items.filter(({ type }) => type.startsWith('ledger.'));
  }
});

interface Balance {
  available: number;
  held: number;
  pending: number;
}

interface Row {
  available_micro: string;
  held_micro: string;
}

const taskOf = (budget: number) => ({ required_capabilities: ['paid'], budget, input: {} });

/** Of now, by UTC. */
const month = (): string => new Date().toISOString().slice(0, 7);
