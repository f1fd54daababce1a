import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { api, expectStatus, loginAdmin, registerUser, waitForTask } from '../support/client.js';
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
      expect(await terms(id, { price_per_kb: '0.002' })).toMatchObject({ price: 0.1, price_per_kb: 0.002 });
      const task = await run('by-size', { input: { text: 'x'.repeat(5000) } });
      expect(task.cost).toBe(0.11);
      expect((await roundsOf(task.id))[0].bids[0]).toMatchObject({ price: 0.11, base_price: 0.1, input_price: 0.01 });
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
