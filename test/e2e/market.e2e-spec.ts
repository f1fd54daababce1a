import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { api, expectStatus, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { good, history, publish, submit, trapping, typesOf } from './agents.js';

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
      env: { DATABASE_URL: database.url, MAX_FAILOVER_AGENTS: '1', MAX_AUCTION_ROUNDS: '2' },
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
