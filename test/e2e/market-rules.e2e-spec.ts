import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, loginAdmin, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { echo, good, history, publish, submit } from './agents.js';
import { ask } from './rows.js';

describe('the rules of the market', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let url: string;
  let token: string;
  let owners: string[];

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({
      env: {
        DATABASE_URL: database.url,
        SIGNUP_CREDITS: '1000',
        AUCTION_PAYMENT: 'second_score',
        MARKET_FEE_PERCENT: '10',
      },
    });
    url = server.url;
    [token, ...owners] = (await Promise.all([1, 2, 3].map(() => registerUser(url)))).map((user) => user.token);
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  const offer = (owner: number, slug: string, wasm: Uint8Array, price: string, capability: string): Promise<string> =>
    publish(url, owners[owner], slug, wasm, { capabilities: [capability], price });

  const run = async (capability: string, fields?: object, status = 'completed') =>
    waitForTask(url, token, await submit(url, token, capability, fields), status);

  const boardOf = async (taskId: string) =>
    expectStatus(await api(url).get(`/tasks/${taskId}/auction?verify=true`, { token }), 200).body.rounds[0];

  it('give one owner two seats where another owner bids, and name the reason', async () => {
    const clones: string[] = [];
    for (const slug of ['a', 'b', 'c', 'd'])
      clones.push(await offer(0, `clone-${slug}`, await good(), '0.10', 'seats'));
    const alone = await boardOf((await run('seats')).id);
    expect(alone.bids).toHaveLength(4);
    const rival = await offer(1, 'rival', await good(), '0.90', 'seats');
    const { bids, excluded } = await boardOf((await run('seats')).id);
    const ids = bids.map(({ agent_id }: { agent_id: string }) => agent_id);
    expect(ids).toHaveLength(3);
    expect(ids).toContain(rival);
    expect(excluded.map((one: { reason: string }) => one.reason)).toEqual(['owner_seats', 'owner_seats']);
    expect(clones).toEqual(expect.arrayContaining(excluded.map((one: { agent_id: string }) => one.agent_id)));
  });

  describe('with schemas that versions declare', () => {
    const WITH_TEXT = JSON.stringify({
      type: 'object',
      required: ['text'],
      properties: { text: { type: 'string', pattern: '^[a-z ]+$' } },
    });
    const declare = (owner: number, slug: string, wasm: Uint8Array, fields: Record<string, string | string[]>) => {
      const form = new FormData();
      const all = { name: slug, version: '1.0.0', price: '0.10', ...fields };
      for (const [name, value] of Object.entries(all)) form.set(name, String(value));
      form.set('wasm_binary', new Blob([Uint8Array.from(wasm)], { type: 'application/wasm' }), `${slug}.wasm`);
      return api(url).post(`/agents/${slug}/binary`, form, { token: owners[owner] });
    };

    it('exclude an agent whose schema the input does not fit, and say where', async () => {
      const form = { capabilities: ['typed'], input_schema: WITH_TEXT };
      const made = expectStatus(await declare(0, 'typed', await good(), form), 201).body;
      expect(made).toMatchObject({ input_schema: JSON.parse(WITH_TEXT), output_schema: null });
      expect((await run('typed', { input: { text: 'to be' } })).agent_id).toBe(made.agent_id);
      const refused = await run('typed', { input: { text: 'To be' } }, 'failed');
      const detail = "The input does not fit its schema: /text must match the schema's pattern.";
      expect(refused).toMatchObject({
        attempts: [],
        error: { code: 'INPUT_REFUSED', message: `No agent takes this input. typed: ${detail}` },
      });
      const other = await offer(1, 'untyped', await good(), '0.90', 'typed');
      const task = await run('typed', { input: { words: [] } });
      expect(task.agent_id).toBe(other);
      expect((await boardOf(task.id)).excluded).toEqual([
        {
          agent_id: made.agent_id,
          agent_name: 'typed',
          reason: 'input_misfit',
          detail: 'The input does not fit its schema: the input must have "text".',
        },
      ]);
      const wish = { required_capabilities: ['typed'], budget: 1, input: 7 };
      const simulated = expectStatus(await api(url).post('/auctions/simulate', wish, { token }), 200).body;
      expect(simulated.excluded).toMatchObject([{ reason: 'input_misfit' }]);
      const card = expectStatus(await api(url).get(`/agents/${made.agent_id}/card`, { token }), 200).body;
      expect(card).toMatchObject({ input_schema: JSON.parse(WITH_TEXT), output_schema: null });
    });

    it('end an attempt whose output does not fit, and let the next agent try', async () => {
      const output_schema = { type: 'object', required: ['ok'], properties: { ok: { const: true } } };
      const form = { capabilities: ['promised'], output_schema: JSON.stringify(output_schema) };
      const liar = expectStatus(await declare(0, 'liar', await echo(), form), 201).body.agent_id;
      const honest = expectStatus(await declare(1, 'honest', await good(), { ...form, price: '0.90' }), 201).body
        .agent_id;
      const weights = { price: 1, quality: 0, speed: 0, reputation: 0 };
      const task = await run('promised', { input: { ok: 'secret' }, weights });
      expect(task).toMatchObject({ agent_id: honest, cost: 0.9, result: { ok: true } });
      expect(task.attempts).toMatchObject([
        { agent_id: liar, outcome: 'invalid_output', error: { code: 'AGENT_OUTPUT_INVALID' } },
        { agent_id: honest, outcome: 'completed' },
      ]);
      expect(task.attempts[0].error.message).toContain('at /ok must be one of the values that the schema lists');
      const own = (await history(url, token, task.id)).find(({ type }) => type === 'task.failover');
      expect(own?.data).toMatchObject({ agent_id: liar, outcome: 'invalid_output' });
      // The same for a result that becomes a document of its own.
      const byRef = await run('promised', { input: { ok: 1 }, result_as: 'ref', weights });
      expect(byRef.attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
        'invalid_output',
        'completed',
      ]);
    });

    it('are part of what a version is', async () => {
      const form = { capabilities: ['fixed'], input_schema: WITH_TEXT };
      const wasm = await good();
      expectStatus(await declare(0, 'fixed', wasm, form), 201);
      const reordered = JSON.stringify({
        properties: JSON.parse(WITH_TEXT).properties,
        required: ['text'],
        type: 'object',
      });
      expectStatus(await declare(0, 'fixed', wasm, { ...form, input_schema: reordered }), 200);
      expectStatus(await declare(0, 'fixed', wasm, { capabilities: ['fixed'] }), 200);
      const taken = expectStatus(await declare(0, 'fixed', wasm, { ...form, input_schema: '{}' }), 409).body;
      expect(taken).toMatchObject({ code: 'VERSION_TAKEN', detail: expect.stringContaining('with other schemas') });
      const next = { ...form, version: '1.1.0', input_schema: '{}' };
      expect(expectStatus(await declare(0, 'fixed', wasm, next), 201).body.input_schema).toEqual({});
      const { items } = expectStatus(await api(url).get('/agents/fixed/versions', { token: owners[0] }), 200).body;
      expect(items).toMatchObject([{ input_schema: {} }, { input_schema: JSON.parse(WITH_TEXT) }]);
    });

    it.each([
      ['{', /^input_schema is not JSON: /],
      ['[]', /^input_schema must be a JSON object$/],
      ['7', /^input_schema must be a JSON object$/],
      [JSON.stringify({ pattern: '(?=a)' }), /^input_schema #\/pattern has a look-around/],
      [JSON.stringify({ $ref: 'http://169.254.169.254/' }), /other documents are not read$/],
      ['['.repeat(30_000) + ']'.repeat(30_000), /^input_schema (nests too deep|has more than \d+ bytes)$/],
      [`{"const":${'['.repeat(7000)}${']'.repeat(7000)}}`, /^input_schema nests too deep$/],
      [JSON.stringify({ description: 'x'.repeat(20_000) }), /^input_schema has \d+ bytes; the limit is 16384$/],
    ])('are refused at the upload, case %#', async (input_schema, message) => {
      const form = { capabilities: ['never'], input_schema };
      const { code, errors } = expectStatus(await declare(0, 'never', await good(), form), 400).body;
      expect([code, errors]).toEqual([
        'VALIDATION_FAILED',
        [{ field: 'input_schema', message: expect.stringMatching(message) }],
      ]);
      expectStatus(await api(url).get('/agents/never', { token: owners[0] }), 404);
    });
  });

  it('pay the winner the highest price at which it would still have won, and the ledger moves that', async () => {
    const winner = await offer(0, 'pay-a', await good(), '1', 'pay');
    await offer(0, 'pay-own', await good(), '1.5', 'pay');
    await offer(1, 'pay-b', await good(), '3', 'pay');
    const task = await run('pay', { budget: 10 });
    expect(task.agent_id).toBe(winner);
    const board = await boardOf(task.id);
    const { price, paid, paid_because } = board.bids[0];
    expect([price, paid]).toEqual([1, 3]);
    expect(paid_because).toBe(
      'It asks 1. Up to 3 it would still have come before the bids of other owners, first pay-b.',
    );
    expect(board).toMatchObject({ payment: { rule: 'second_score', most: 10 }, verification: { matches: true } });
    expect(task).toMatchObject({ cost: paid, attempts: [{ price: paid }] });
    const { items } = expectStatus(await api(url).get(`/ledger/transfers?task_id=${task.id}`, { token }), 200).body;
    expect(items.map((item: { kind: string; amount: number }) => [item.kind, item.amount])).toEqual([
      ['release', 7],
      ['fee', 0.3],
      ['post', 2.7],
      ['hold', 10],
    ]);
    const simulated = await api(url).post(
      '/auctions/simulate',
      { required_capabilities: ['pay'], budget: 2, input: {} },
      { token },
    );
    // The dearer agent of the other owner is over this budget.
    expect(expectStatus(simulated, 200).body.bids[0]).toMatchObject({
      paid: 1,
      paid_because: 'No other owner bids behind it, so it is paid what it asks.',
    });
  });

  it("give no reputation for an owner's own tasks, and take back a completion that a dispute undid", async () => {
    const agentId = await offer(0, 'self-dealer', await good(), '0.10', 'self');
    const card = async () =>
      expectStatus(await api(url).get(`/agents/${agentId}/card`, { token }), 200).body.statistics;
    const completed = (count: number) =>
      until(`${count} tasks count`, async () => (await card()).tasks_completed === count);
    const own = await submit(url, owners[0], 'self');
    await waitForTask(url, owners[0], own, 'completed');
    const refused = expectStatus(await api(url).post(`/tasks/${own}/rating`, { rating: 5 }, { token: owners[0] }), 409);
    expect(refused.body).toMatchObject({ code: 'NOT_RATEABLE', detail: expect.stringContaining('Your own agent') });
    const bought = await run('self');
    // Statistics follow the feed in order, so the own task has been seen by then.
    await completed(1);
    expect(await card()).toMatchObject({ rating_count: 0, attempts_failed: 0 });
    const admin = await loginAdmin(url);
    const dispute = expectStatus(
      await api(url).post('/ledger/disputes', { task_id: bought.id, reason: 'It is wrong.' }, { token }),
      201,
    ).body;
    const uphold = `/ledger/disputes/${dispute.id}/uphold`;
    expectStatus(await api(url).post(uphold, { text: 'It was wrong.' }, { token: admin }), 200);
    await completed(0);
    expect((await card()).success_rate).toBeNull();
  });

  it('count accounts that were opened in a burst from one network as one rater, by its newest vote', async () => {
    const agentId = await offer(0, 'rated', await good(), '0.10', 'rated');
    const vote = async (rating: number, user: { token: string }) => {
      const id = await submit(url, user.token, 'rated');
      await waitForTask(url, user.token, id, 'completed');
      expectStatus(await api(url).post(`/tasks/${id}/rating`, { rating }, { token: user.token }), 200);
    };
    const counted = () =>
      ask<{ raters: number; rating_sum: number }>(
        database.url,
        'SELECT raters, rating_sum FROM agent_statistics WHERE agent_id = $1',
        [agentId],
      ).then(([row]) => [row.raters, row.rating_sum]);
    const settles = (what: string, expected: number[]) =>
      until(what, async () => String(await counted()) === String(expected));
    const accounts = await Promise.all([1, 2, 3, 4].map(() => registerUser(url)));
    const leaves = (email: string) =>
      ask(
        database.url,
        `UPDATE known_networks SET network = $1 WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
        [email.slice(0, 45)],
      );
    await vote(5, accounts[0]);
    await settles('the first vote counts', [1, 5]);
    await vote(4, accounts[1]);
    await settles('an account of the burst changes that vote', [1, 4]);
    await leaves(accounts[2].email);
    await vote(2, accounts[2]);
    await settles('an account of another network has a vote of its own', [2, 6]);
    await ask(database.url, 'UPDATE users SET self_registered = false WHERE email = $1', [accounts[3].email]);
    await vote(1, accounts[3]);
    await settles('an account that an admin opened has a vote of its own', [3, 7]);
    await vote(3, accounts[2]);
    await settles('a second vote replaces the first', [3, 8]);
  });
});
