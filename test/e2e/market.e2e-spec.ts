import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { api, expectStatus, loginAdmin, registerUser, uploadAgent, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { chatty, endless, good, history, publish, submit, trapping, typesOf } from './agents.js';

describe('the market', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let sql: pg.Client;
  let url: string;
  let token: string;
  let ownerToken: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({
      env: {
        DATABASE_URL: database.url,
        MAX_FAILOVER_AGENTS: '1',
        MAX_AUCTION_ROUNDS: '2',
        ENABLE_GEO_ROUTING: 'true',
        GEO_ROUND_TRIPS_MS: 'eu:us=90',
        SWEEP_INTERVAL_MS: '500',
      },
    });
    url = server.url;
    token = (await registerUser(url)).token;
    ownerToken = (await registerUser(url)).token;
    sql = new pg.Client(database.url);
    await sql.connect();
  });

  afterAll(async () => {
    await sql?.end();
    await server?.stop();
    await database?.drop();
  });

  const offer = (slug: string, wasm: Uint8Array, price: string, ...capabilities: string[]): Promise<string> =>
    publish(url, ownerToken, slug, wasm, { capabilities, price });

  const run = async (capability: string, fields?: object, status = 'completed') =>
    waitForTask(url, token, await submit(url, token, capability, fields), status);

  const roundsOf = async (taskId: string, query = '') =>
    expectStatus(await api(url).get(`/tasks/${taskId}/auction${query}`, { token }), 200).body.rounds;

  describe('while a worker does not know yet', () => {
    // Changes behind the server's back ring no bell: until it reads again, the worker bids with what it knew.
    it('gives no task to an agent that was paused, nor an old price to one that changed it', async () => {
      const ids = [
        await offer('first', await good(), '0.20', 'fickle'),
        await offer('second', await good(), '0.90', 'fickle'),
      ];
      expect((await run('fickle')).agent_id).toBe(ids[0]);
      await sql.query(`UPDATE agents SET price_micro = 800000 WHERE id = $1`, [ids[1]]);
      await sql.query(`UPDATE agents SET status = 'paused' WHERE id = $1`, [ids[0]]);
      expect(await run('fickle')).toMatchObject({ agent_id: ids[1], cost: 0.8, attempts: [{ ordinal: 1 }] });
      await sql.query(`UPDATE agents SET status = 'paused' WHERE id = $1`, [ids[1]]);
      expect((await run('fickle', {}, 'failed')).error.code).toBe('NO_AGENT_AVAILABLE');
      await sql.query(`UPDATE agents SET status = 'active' WHERE id = ANY ($1)`, [ids]);
      expect((await run('fickle')).agent_id).toBe(ids[0]);
    });
  });

  it("gives no task to a suspended owner's agents, nor shows them, until the suspension is taken back", async () => {
    const stranger = await registerUser(url);
    const shown = async (): Promise<[number, number]> => {
      const { items } = expectStatus(await api(url).get('/agents?capability=rogue', stranger), 200).body;
      return [items.length, (await api(url).get(`/agents/${agentId}/card`, stranger)).status];
    };
    const owner = await registerUser(url);
    const agentId = await publish(url, owner.token, 'rogue', await good(), { capabilities: ['rogue'] });
    expect((await run('rogue')).agent_id).toBe(agentId);
    expect(await shown()).toEqual([1, 200]);
    const admin = await loginAdmin(url);
    const { id } = expectStatus(await api(url).get('/auth/me', { token: owner.token }), 200).body;
    expectStatus(await api(url).post(`/users/${id}/suspend`, {}, { token: admin }), 200);
    expect((await run('rogue', {}, 'failed')).error.code).toBe('NO_AGENT_AVAILABLE');
    expect(await shown()).toEqual([0, 404]);
    expectStatus(await api(url).post(`/users/${id}/unsuspend`, {}, { token: admin }), 200);
    expect((await run('rogue')).agent_id).toBe(agentId);
    expect(await shown()).toEqual([1, 200]);
  });

  it('cancels the tasks of a suspended account, tells why, and stores none that was under way', async () => {
    const admin = await loginAdmin(url);
    const user = await registerUser(url);
    const { id } = expectStatus(await api(url).get('/auth/me', { token: user.token }), 200).body;
    await offer('endless', await endless(), '0.10', 'endless');
    const running = await submit(url, user.token, 'endless', { timeout_ms: 300_000 });
    await waitForTask(url, user.token, running, 'running');
    const waiting = await submit(url, user.token, 'endless', { delay_ms: 3_600_000 });
    const reason = 'Sends spam.';
    const suspended = expectStatus(await api(url).post(`/users/${id}/suspend`, { reason }, { token: admin }), 200).body;
    expect(suspended).toMatchObject({ suspended_at: expect.any(String), suspension_reason: reason });
    const refused = await api(url).get('/tasks', { token: user.token });
    expect(refused).toMatchObject({ status: 403, body: { code: 'ACCOUNT_SUSPENDED' } });
    expect(refused.body.detail).toContain(`(${reason})`);
    for (const taskId of [running, waiting]) {
      const task = expectStatus(await api(url).get(`/tasks/${taskId}`, { token: admin }), 200).body;
      expect(task).toMatchObject({ status: 'cancelled', cost: null, error: { code: 'ACCOUNT_SUSPENDED' } });
      const events = await history(url, admin, taskId);
      expect(events.at(-1)).toMatchObject({ type: 'task.cancelled', data: { reason: 'account_suspended' } });
    }
    // A submission that had passed the guard before the suspension is left to the sweep.
    await sql.query(
      `UPDATE tasks SET status = 'queued', error = NULL, completed_at = NULL, run_at = now() + interval '1 hour' WHERE id = $1`,
      [waiting],
    );
    await waitForTask(url, admin, waiting, 'cancelled');
    const { items } = expectStatus(
      await api(url).get(`/audit?type=account.suspended&user_id=${id}`, { token: admin }),
      200,
    ).body;
    expect(items).toMatchObject([{ subject_id: id, details: { reason } }]);
    const freed = expectStatus(await api(url).post(`/users/${id}/unsuspend`, undefined, { token: admin }), 200).body;
    expect(freed).toMatchObject({ suspended_at: null, suspension_reason: null });
    expectStatus(await api(url).post(`/users/${id}/suspend`, { reason: 7 }, { token: admin }), 400);
  });

  it('keeps a blocked agent off the market until an admin lifts that, whatever its owner does', async () => {
    const admin = await loginAdmin(url);
    const owner = await registerUser(url);
    const agentId = await publish(url, owner.token, 'spam', await good(), { capabilities: ['blockable'] });
    const act = (verb: string, body?: object, as = admin) =>
      api(url).post(`/agents/${agentId}/${verb}`, body, { token: as });
    const mine = async () => expectStatus(await api(url).get(`/agents/${agentId}`, owner), 200).body;
    const shown = async () => (await api(url).get(`/agents/${agentId}/card`, { token })).status;
    expect((await run('blockable')).agent_id).toBe(agentId);
    for (const verb of ['block', 'unblock', 'approve']) {
      for (const [as, status] of [
        [owner.token, 403],
        [token, 403],
        [undefined, 401],
      ] as const) {
        expectStatus(await api(url).post(`/agents/${agentId}/${verb}`, { reason: 'x' }, { token: as }), status);
      }
    }
    for (const body of [undefined, {}, { reason: '' }, { reason: ' \n' }]) expectStatus(await act('block', body), 400);
    const bySlug = await api(url).post('/agents/spam/block', { reason: 'x' }, { token: admin });
    expect(expectStatus(bySlug, 404).body.detail).toBe(
      'You have no agent with the slug "spam". Name an agent of another owner by its id.',
    );

    const reason = 'Answers with advertisements.';
    const blocked = expectStatus(await act('block', { reason }), 200).body;
    expect(blocked).toMatchObject({ status: 'active', moderation: 'blocked', moderation_reason: reason });
    expect((await run('blockable', {}, 'failed')).error.code).toBe('NO_AGENT_AVAILABLE');
    expect(await shown()).toBe(404);
    for (const status of ['paused', 'active']) {
      expectStatus(await api(url).patch(`/agents/${agentId}`, { status }, { token: owner.token }), 200);
    }
    expectStatus(
      await uploadAgent(url, owner.token, 'spam', await good(), { version: '2.0.0', capabilities: ['blockable'] }),
      201,
    );
    expect(await mine()).toMatchObject({ status: 'active', moderation: 'blocked', moderation_reason: reason });
    expect((await run('blockable', {}, 'failed')).error.code).toBe('NO_AGENT_AVAILABLE');
    expect((await act('approve')).body.code).toBe('AGENT_BLOCKED');

    expect(expectStatus(await act('unblock'), 200).body).toMatchObject({
      moderation: 'allowed',
      moderation_reason: null,
    });
    expect((await run('blockable')).agent_id).toBe(agentId);
    expect(await shown()).toBe(200);
    const events = expectStatus(await api(url).get('/events?limit=100', owner), 200).body.items;
    const told = events.filter(({ type }: any) => /^agent\.(un)?blocked$/.test(type));
    expect(told).toMatchObject([
      { type: 'agent.blocked', data: { agent_id: agentId, reason } },
      { type: 'agent.unblocked', data: { agent_id: agentId } },
    ]);
    const { items } = expectStatus(await api(url).get('/audit?type=agent.blocked', { token: admin }), 200).body;
    expect(items).toMatchObject([{ subject_id: (await mine()).owner_id, details: { agent_id: agentId, reason } }]);
  });

  it('lets new agents bid only once an admin has approved them, where the server asks for that', async () => {
    const strict = await startServer({ env: { DATABASE_URL: database.url, AGENT_APPROVAL: 'true' }, roles: ['api'] });
    try {
      const admin = await loginAdmin(strict.url);
      const owner = await registerUser(strict.url);
      const made = expectStatus(
        await uploadAgent(strict.url, owner.token, 'newcomer', await good(), { capabilities: ['approved'] }),
        201,
      ).body;
      expect(made.message).toContain('once an administrator has approved it');
      const path = `/agents/${made.agent_id}`;
      expect((await api(strict.url).get(path, owner)).body.moderation).toBe('pending');
      expect((await run('approved', {}, 'failed')).error.code).toBe('NO_AGENT_AVAILABLE');
      expectStatus(await api(strict.url).get('/moderation/agents', owner), 403);
      const waiting = async () =>
        expectStatus(await api(strict.url).get('/moderation/agents', { token: admin }), 200).body;
      expect((await waiting()).items).toMatchObject([{ id: made.agent_id, slug: 'newcomer', moderation: 'pending' }]);
      expect((await api(strict.url).post(`${path}/unblock`, undefined, { token: admin })).body.code).toBe(
        'AWAITS_APPROVAL',
      );
      const approved = await api(strict.url).post(`${path}/approve`, undefined, { token: admin });
      expect(expectStatus(approved, 200).body).toMatchObject({
        moderation: 'allowed',
        moderated_at: expect.any(String),
      });
      expect((await waiting()).items).toEqual([]);
      expect((await run('approved')).agent_id).toBe(made.agent_id);
      const own = await publish(strict.url, admin, 'of-an-admin', await good(), { capabilities: ['own'] });
      expect((await api(strict.url).get(`/agents/${own}`, { token: admin })).body.moderation).toBe('allowed');
    } finally {
      await strict.stop();
    }
  });

  describe('when all agents of an auction fail', () => {
    it('holds another one among the others, and keeps both', async () => {
      for (const [slug, price] of [
        ['trap-a', '0.10'],
        ['trap-b', '0.20'],
      ]) {
        await offer(slug, await trapping(), price, 'twice');
      }
      const sound = await offer('sound', await good(), '0.90', 'twice');
      const task = await run('twice');
      expect(task.attempts.map(({ outcome }: any) => outcome)).toEqual(['trapped', 'trapped', 'completed']);
      expect(task).toMatchObject({ agent_id: sound, cost: 0.9 });

      const rounds = await roundsOf(task.id, '?verify=true');
      expect(rounds.map(({ round, first_attempt, bids }: any) => [round, first_attempt, bids.length])).toEqual([
        [1, 1, 3],
        [2, 3, 1],
      ]);
      expect(rounds.map(({ verification }: any) => verification.matches)).toEqual([true, true]);
      expect(rounds[1].bids[0].agent_id).toBe(sound);
      expect(typesOf(await history(url, token, task.id)).filter((type) => type !== 'task.running')).toEqual([
        'task.queued',
        'task.assigned',
        'task.failover',
        'task.failover',
        'task.completed',
      ]);
    });

    it('fails the task after the last auction, with the reasons of every agent that tried', async () => {
      for (const slug of ['no-a', 'no-b', 'no-c', 'no-d']) await offer(slug, await trapping(), '0.10', 'never');
      const spared = await offer('spared', await good(), '9.00', 'never');
      const task = await run('never', {}, 'failed');
      expect(task.attempts).toHaveLength(4);
      expect(task.attempts.map(({ agent_id }: any) => agent_id)).not.toContain(spared);
      expect(task.error.code).toBe('ALL_AGENTS_FAILED');
      for (const name of ['no-a', 'no-b', 'no-c', 'no-d']) expect(task.error.message).toContain(name);
      expect(await roundsOf(task.id)).toHaveLength(2);
    });

    it('asks nobody else when there is nobody left', async () => {
      await offer('only', await trapping(), '0.10', 'lonely');
      const task = await run('lonely', {}, 'failed');
      expect(task).toMatchObject({ attempts: [{ outcome: 'trapped' }], error: { code: 'AGENT_TRAPPED' } });
      expect(await roundsOf(task.id)).toHaveLength(1);
    });
  });

  describe('on the terms of its agents', () => {
    const terms = (id: string, changes: object, status = 200) =>
      api(url)
        .patch(`/agents/${id}`, changes, { token: ownerToken })
        .then((answer) => expectStatus(answer, status).body);

    it('charges for the size of the input', async () => {
      const id = await offer('by-size', await good(), '0.10', 'by-size');
      expect(await terms(id, { price_per_kb: 0.002 })).toMatchObject({ price: 0.1, price_per_kb: 0.002 });
      const task = await run('by-size', { input: { text: 'x'.repeat(5000) } });
      expect(task.cost).toBe(0.11);
      const [bid] = (await roundsOf(task.id))[0].bids;
      expect(bid.price).toBe(0.11);
      const card = expectStatus(await api(url).get(`/agents/${id}/card`, { token }), 200).body;
      // How the price grows is the owner's to know.
      for (const shown of [bid, card]) {
        for (const term of ['base_price', 'input_price', 'price_per_kb', 'surge', 'max_concurrency']) {
          expect(shown).not.toHaveProperty(term);
        }
      }
    });

    it('gives an agent no more tasks at once than it takes on, and lets the others wait', async () => {
      const id = await offer('shy', await chatty(3), '0.10', 'shy');
      await terms(id, { max_concurrency: 1, surge: 2 });
      const ids = await Promise.all(Array.from({ length: 5 }, () => submit(url, token, 'shy')));
      const tasks = await Promise.all(ids.map((task) => waitForTask(url, token, task, 'completed')));
      const runs = tasks
        .map(({ attempts: [{ started_at, ended_at }] }: any) => [Date.parse(started_at), Date.parse(ended_at)])
        .sort(([a], [b]) => a - b);
      for (let index = 1; index < runs.length; index++) {
        expect(runs[index][0]).toBeGreaterThanOrEqual(runs[index - 1][1]);
      }
      expect(tasks.map(({ cost }: any) => cost)).toEqual(Array(5).fill(0.1));
    });

    it('gives what a busy agent would do to another one that can', async () => {
      const cheap = await offer('cheap-busy', await endless(), '0.10', 'busy');
      await terms(cheap, { max_concurrency: 1 });
      const first = await submit(url, token, 'busy');
      await waitForTask(url, token, first, 'running');
      const other = await offer('other', await good(), '0.90', 'busy');
      const task = await run('busy');
      expect(task.agent_id).toBe(other);
      expect((await roundsOf(task.id))[0].excluded).toMatchObject([{ agent_id: cheap, reason: 'busy' }]);
      expectStatus(await api(url).post(`/tasks/${first}/cancel`, undefined, { token }), 200);
    });

    it('keeps a task to its region', async () => {
      const here = await offer('here', await good(), '0.90', 'place');
      const there = await offer('there', await good(), '0.10', 'place');
      await terms(here, { region: 'eu' });
      await terms(there, { region: 'us' });
      expect((await run('place', { region: 'eu' })).agent_id).toBe(there);
      const task = await run('place', { region: 'eu', region_required: true });
      expect(task).toMatchObject({ agent_id: here, region: 'eu', region_required: true });
      expect((await roundsOf(task.id))[0].excluded).toMatchObject([{ reason: 'wrong_region' }]);
      expect((await run('place', { region: 'mars', region_required: true }, 'failed')).error.code).toBe(
        'NO_ELIGIBLE_AGENT',
      );
    });

    it('takes no terms that cannot be kept', async () => {
      const id = await offer('strict', await good(), '0.10', 'strict');
      const card = (await api(url).get(`/agents/${id}`, { token: ownerToken })).body;
      const wrong = [{ surge: 2 }, { surge: 0.5 }, { surge: null }, { max_concurrency: 0 }, { region: 'E U' }];
      for (const changes of [...wrong, { price: null }, { name: null }, { price_per_kb: -1 }]) {
        const { errors } = await terms(id, changes, 400);
        expect(new Set(errors.map(({ field }: any) => field))).toEqual(new Set(Object.keys(changes)));
      }
      expect((await api(url).get(`/agents/${id}`, { token: ownerToken })).body).toEqual(card);
      expect(await terms(id, { max_concurrency: 3, surge: 2 })).toMatchObject({ max_concurrency: 3, surge: 2 });
      await terms(id, { max_concurrency: null }, 400);
      expect(await terms(id, { max_concurrency: null, surge: 1 })).toMatchObject({ max_concurrency: null, surge: 1 });
    });
  });

  it('believes no declared duration before an agent has a history', async () => {
    const proven = await offer('proven', await good(), '0.90', 'promise');
    const history =
      'tasks_completed = 30, duration_p80_ms = 40, estimate_ratio = 0.9, rating_sum = 90, rating_count = 20';
    await sql.query(`UPDATE agent_statistics SET ${history} WHERE agent_id = $1`, [proven]);
    const newcomer = await offer('newcomer', await good(), '0', 'promise');
    const promise = { expected_duration_ms: 1 };
    expectStatus(await api(url).patch(`/agents/${newcomer}`, promise, { token: ownerToken }), 200);
    const task = await run('promise');
    expect(task.agent_id).toBe(proven);
    const [{ bids }] = await roundsOf(task.id, '?verify=true');
    expect(bids.map((bid: any) => [bid.agent_id, bid.estimated_ms, bid.terms.speed])).toEqual([
      [proven, 40, 1],
      [newcomer, 1000, 0],
    ]);
  });

  describe('asked who would win', () => {
    it('answers as it decides afterwards, and writes nothing', async () => {
      await offer('dear', await good(), '0.80', 'ask');
      const cheap = await offer('cheap', await good(), '0.30', 'ask');
      const wish = { required_capabilities: ['ask'], budget: 1, input: {} };
      const count = async () => (await sql.query('SELECT count(*) FROM tasks')).rows[0].count;
      const before = await count();
      const { body } = expectStatus(await api(url).post('/auctions/simulate', wish, { token }), 200);
      expect(body.bids.map(({ agent_id }: any) => agent_id)[0]).toBe(cheap);
      expect(body).toMatchObject({ failure: null, counterfactual: { agent_name: 'dear' } });
      expect(await count()).toBe(before);

      const [decided] = await roundsOf((await run('ask', { budget: 1 })).id);
      expect(decided.bids).toEqual(body.bids);

      const tooLow = expectStatus(await api(url).post('/auctions/simulate', { ...wish, budget: 0.1 }, { token }), 200);
      expect(tooLow.body).toMatchObject({ bids: [], failure: { code: 'BUDGET_TOO_LOW' } });
    });
  });
});
