import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { api, expectStatus, loginAdmin, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import {
  agent,
  chatty,
  echo,
  endless,
  type FeedEvent,
  good,
  history,
  publish,
  seqsOf,
  submit,
  trapping,
  typesOf,
} from './agents.js';
import { ask } from './rows.js';
import { until } from '../support/until.js';

const EXAMPLES = new URL('../../../examples/agents/', import.meta.url);

interface Example {
  slug: string;
  capabilities: string[];
  price: string;
  input: unknown;
  output: unknown;
}

const readJson = async (path: string) => JSON.parse(await readFile(new URL(path, EXAMPLES), 'utf8'));

async function readExamples(): Promise<Example[]> {
  const folders = (await readdir(EXAMPLES)).filter((name) => existsSync(new URL(`${name}/agent.json`, EXAMPLES)));
  return Promise.all(
    folders.sort().map(async (folder) => {
      const input = await readJson(`${folder}/sample-input.json`);
      const output = await readJson(`${folder}/sample-output.json`);
      return { ...(await readJson(`${folder}/agent.json`)), input, output } as Example;
    }),
  );
}

const examples = await readExamples();

/** One process with both roles; it does one task at a time, so that tests can make others wait. */
describe('a server on PostgreSQL alone', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let url: string;
  /** Submits the tasks. */
  let token: string;
  /** Owns the agents. */
  let ownerToken: string;
  let adminToken: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({
      env: {
        DATABASE_URL: database.url,
        WORKER_CONCURRENCY: '1',
        SANDBOX_SLOTS: '1',
        MAX_FAILOVER_AGENTS: '2',
        MAX_AUCTION_ROUNDS: '1',
        EXAMPLE_AGENTS: 'all',
      },
    });
    url = server.url;
    token = (await registerUser(url)).token;
    ownerToken = (await registerUser(url)).token;
    adminToken = await loginAdmin(url);
  });

  afterAll(async () => {
    await server.stop();
    await database.drop();
  });

  const offer = (slug: string, wasm: Uint8Array, price: string, ...capabilities: string[]): Promise<string> =>
    publish(url, ownerToken, slug, wasm, { capabilities, price });

  const run = async (capability: string, fields?: object, status = 'completed') =>
    waitForTask(url, token, await submit(url, token, capability, fields), status);

  describe('the main job', () => {
    const input = { text: 'Grüße aus Köln', list: [1, 2.5, null, { deep: true }] };
    let agentId: string;
    let task: any;
    let events: FeedEvent[];

    it('takes an upload in the form that the documentation shows', async () => {
      const wasm = await echo();
      const form = new FormData();
      form.set('name', 'MyAgent');
      form.set('description', 'AI agent for data processing');
      form.set('version', '1.0.0');
      form.set('capabilities', 'data-processing,machine-learning');
      form.set('price', '0.50');
      form.set('wasm_binary', new Blob([Uint8Array.from(wasm)], { type: 'application/octet-stream' }), 'my-agent.wasm');
      const { body } = expectStatus(await api(url).post('/agents/my-agent/binary', form, { token: ownerToken }), 201);

      agentId = body.agent_id;
      expect(body).toMatchObject({
        agent_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        binary_url: expect.stringContaining(`/api/v1/agents/${agentId}/binary`),
        binary_hash: createHash('sha256').update(wasm).digest('hex'),
        binary_size: wasm.length,
        status: 'uploaded',
        message: expect.stringMatching(/\w/),
        version: '1.0.0',
        validation: { error: null },
      });
      const download = await fetch(`${url}${body.binary_url}`, { headers: { authorization: `Bearer ${ownerToken}` } });
      expect(Buffer.from(await download.arrayBuffer())).toEqual(wasm);
    });

    it('answers a submission with the queued task and its address', async () => {
      const submission = { required_capabilities: ['machine-learning'], budget: 1.5, input, description: 'An echo' };
      const answer = expectStatus(await api(url).post('/tasks', submission, { token }), 202);
      expect(answer.body).toMatchObject({
        ...submission,
        status: 'queued',
        priority: 'normal',
        result: null,
        cost: null,
      });
      expect(answer.headers.get('location')).toBe(`/api/v1/tasks/${answer.body.id}`);
      task = await waitForTask(url, token, answer.body.id, 'completed');
    });

    it('completes it with the result, the cost and what the attempt used', () => {
      const bytes = Buffer.byteLength(JSON.stringify(input));
      expect(task).toMatchObject({ result: input, cost: 0.5, error: null, agent_id: agentId, version: '1.0.0' });
      expect(task.attempts).toEqual([
        {
          ordinal: 1,
          agent_id: agentId,
          version: '1.0.0',
          price: 0.5,
          outcome: 'completed',
          error: null,
          metering: {
            wall_ms: expect.any(Number),
            cpu_ms: expect.any(Number),
            peak_memory_bytes: 2 * 65_536,
            bytes_in: bytes,
            bytes_out: bytes,
            host_calls: 2,
          },
          started_at: expect.any(String),
          ended_at: expect.any(String),
        },
      ]);
      const times = [task.created_at, task.started_at, task.completed_at].map((time: string) => Date.parse(time));
      expect(times).toEqual([...times].sort((a, b) => a - b));
    });

    it('tells every step in order', async () => {
      events = await history(url, token, task.id);
      expect(typesOf(events)).toEqual(['task.queued', 'task.assigned', 'task.running', 'task.completed']);
      expect(events.map((event) => event.data.status)).toEqual(['queued', 'assigned', 'running', 'completed']);
      expect(seqsOf(events)).toEqual([...new Set(seqsOf(events))].sort((a, b) => a - b));
      expect(events[1].data).toMatchObject({ attempt: 1, agent_id: agentId, price: 0.5, competitive: false });
      expect(events[3].data).toMatchObject({ attempt: 1, cost: 0.5, result: input });
    });

    it('serves the result on its own', async () => {
      const { body } = expectStatus(await api(url).get(`/tasks/${task.id}/result`, { token }), 200);
      expect(body).toEqual({ id: task.id, status: 'completed', result: input, error: null, cost: 0.5 });
    });

    it("moves the agent's card by the submitter's rating, which counts once", async () => {
      const card = async () => expectStatus(await api(url).get(`/agents/${agentId}/card`, { token }), 200).body;
      expect((await card()).statistics).toMatchObject({ rating: 3.5, rating_count: 0 });

      const rate = () => api(url).post(`/tasks/${task.id}/rating`, { rating: 5 }, { token });
      expect(expectStatus(await rate(), 200).body.rating).toBe(5);
      expect(expectStatus(await rate(), 409).body.code).toBe('NOT_RATEABLE');

      // Five votes of 3.5 are the prior: (5 · 3.5 + 5) / 6
      const { statistics } = await until('the card shows the vote', async () => {
        const now = await card();
        return now.statistics.rating_count > 0 && now;
      });
      expect(statistics).toMatchObject({ rating: 3.75, rating_count: 1, tasks_completed: 1, attempts_failed: 0 });
    });

    it('counts an account once among the raters of an agent, by its newest vote', async () => {
      const again = await run('machine-learning');
      expectStatus(await api(url).post(`/tasks/${again.id}/rating`, { rating: 3 }, { token }), 200);
      const raters = () =>
        ask<{ rater_mean_sum: number }>(
          database.url,
          'SELECT rating_count, rating_sum, raters, rater_mean_sum FROM agent_statistics WHERE agent_id = $1',
          [agentId],
        );
      await until('the second vote counts', async () => (await raters())[0].rater_mean_sum === 3);
      expect(await raters()).toEqual([{ rating_count: 1, rating_sum: 3, raters: 1, rater_mean_sum: 3 }]);
    });

    it('passes on what the agent says on standard error while it runs', async () => {
      await offer('chatty', await chatty(3), '0.10', 'chatty');
      const { id } = await run('chatty');
      const log = (await history(url, token, id)).slice(3, -1);
      expect(new Set(typesOf(log))).toEqual(new Set(['task.log']));
      expect(log.flatMap((event) => event.data.lines)).toEqual(['step', 'step', 'step']);
    });

    it('dates task, attempt and event by one clock, whose times cover the wall time of the run', async () => {
      const ids = await Promise.all(Array.from({ length: 20 }, () => submit(url, token, 'machine-learning')));
      for (const id of ids) {
        const done = await waitForTask(url, token, id, 'completed');
        const [attempt] = done.attempts;
        const times = [done.created_at, attempt.started_at, done.started_at, done.completed_at];
        expect(times).toEqual([...times].sort());
        expect(attempt.ended_at).toBe(done.completed_at);
        expect((await history(url, token, id)).at(-1)!.at).toBe(done.completed_at);
        // Times have whole milliseconds.
        const tookMs = Date.parse(done.completed_at) - Date.parse(done.started_at);
        expect(tookMs + 1).toBeGreaterThanOrEqual(attempt.metering.wall_ms);
      }
    });
  });

  describe('an auction', () => {
    it('scores three agents exactly, and the winner is paid what it asked', async () => {
      const wasm = await good();
      const ids = {
        cheap: await offer('cheap', wasm, '0.20', 'weigh'),
        balanced: await offer('balanced', wasm, '0.50', 'weigh', 'measure'),
        premium: await offer('premium', wasm, '1.00', 'weigh', 'measure'),
      };
      // A past that took weeks: completed tasks, 80th percentile of their durations, votes.
      await remember(ids.cheap, { completed: 10, durationMs: 300, ratingSum: 15, ratingCount: 5 });
      await remember(ids.balanced, { completed: 40, durationMs: 120, ratingSum: 20, ratingCount: 5 });
      await remember(ids.premium, { completed: 20, durationMs: 60, ratingSum: 75, ratingCount: 15 });

      const task = await run('weigh', { required_capabilities: ['weigh', 'measure'] });
      const [board] = expectStatus(await api(url).get(`/tasks/${task.id}/auction`, { token }), 200).body.rounds;

      expect(board).toMatchObject({
        weights: { price: 0.3, quality: 0.3, speed: 0.2, reputation: 0.2 },
        bounds: { min_price: 0.2, max_price: 1, min_ms: 60, max_ms: 300, max_tasks_completed: 40 },
        competitive: true,
        excluded: [],
      });
      const exactly = (value: number) => expect.closeTo(value, 10);
      expect(board.bids).toMatchObject([
        {
          agent_id: ids.balanced,
          rank: 1,
          rating: 3.75,
          capability_match: 1,
          terms: { price: exactly(0.625), quality: exactly(0.75), speed: exactly(0.75), reputation: 1 },
          total: exactly(0.7625),
        },
        {
          agent_id: ids.premium,
          rank: 2,
          rating: 4.625,
          capability_match: 1,
          terms: { price: 0, quality: exactly(0.925), speed: 1, reputation: 0.5 },
          total: exactly(0.5775),
        },
        {
          // 0.545 before its match: it offers one of the two capabilities.
          agent_id: ids.cheap,
          rank: 3,
          rating: 3.25,
          capability_match: 0.5,
          terms: { price: 1, quality: exactly(0.65), speed: 0, reputation: 0.25 },
          total: exactly(0.2725),
        },
      ]);
      expect(task).toMatchObject({ agent_id: ids.balanced, cost: 0.5 });
    });

    /** Writes an agent's statistics, and lets the workers know that the agent has changed. */
    async function remember(
      agentId: string,
      past: { completed: number; durationMs: number; ratingSum: number; ratingCount: number },
    ): Promise<void> {
      const client = new pg.Client(database.url);
      await client.connect();
      await client.query(
        `UPDATE agent_statistics
            SET tasks_completed = $2, duration_p80_ms = $3, rating_sum = $4, rating_count = $5
          WHERE agent_id = $1`,
        [agentId, past.completed, past.durationMs, past.ratingSum, past.ratingCount],
      );
      await client.end();
      expectStatus(await api(url).patch(`/agents/${agentId}`, { description: 'Known' }, { token: ownerToken }), 200);
    }

    it('goes by the weights that a task brings', async () => {
      const ids = [
        await offer('slow-bargain', await good(), '0.10', 'haggle'),
        await offer('quick-luxury', await good(), '0.90', 'haggle'),
      ];
      const durations = [8000, 10];
      for (const [index, id] of ids.entries()) {
        const change = { expected_duration_ms: durations[index] };
        expectStatus(await api(url).patch(`/agents/${id}`, change, { token: ownerToken }), 200);
      }
      const weights = { price: 1, quality: 0, speed: 3, reputation: 0 };
      const task = await run('haggle', { weights });
      const [board] = expectStatus(await api(url).get(`/tasks/${task.id}/auction`, { token }), 200).body.rounds;
      expect(board.weights).toEqual({ price: 0.25, quality: 0, speed: 0.75, reputation: 0 });
      expect(board.bids.map((bid: any) => [bid.agent_id, bid.total])).toEqual([
        [ids[1], 0.75],
        [ids[0], 0.25],
      ]);
      expect(task.agent_id).toBe(ids[1]);
    });

    it('names the lowest bid when the budget is too low', async () => {
      await offer('dear', await good(), '2.75', 'precious');
      await offer('dearer', await good(), '3.00', 'precious');
      const task = await run('precious', { budget: '2.749999' }, 'failed');
      expect(task.error).toEqual({ code: 'BUDGET_TOO_LOW', message: expect.stringContaining('2.75') });
      expect(task).toMatchObject({ attempts: [], cost: null, agent_id: null });
      const [board] = expectStatus(await api(url).get(`/tasks/${task.id}/auction`, { token }), 200).body.rounds;
      expect(board).toMatchObject({ bids: [], excluded: [{ reason: 'over_budget' }, { reason: 'over_budget' }] });
    });

    it('fails a task that nobody offers to do', async () => {
      const task = await run('levitate', {}, 'failed');
      expect(task.error).toEqual({ code: 'NO_AGENT_AVAILABLE', message: expect.stringContaining('levitate') });
      expect(typesOf(await history(url, token, task.id))).toEqual(['task.queued', 'task.failed']);
    });
  });

  describe('failover', () => {
    it("gives the task to the next-ranked agent after the winner's trap", async () => {
      const broken = await offer('broken', await trapping(), '0.10', 'fragile');
      const sound = await offer('sound', await good(), '0.40', 'fragile');
      const task = await run('fragile');

      const trap = { code: 'AGENT_TRAPPED', message: 'The agent trapped: unreachable.' };
      expect(task).toMatchObject({ result: { ok: true }, agent_id: sound, cost: 0.4, error: null });
      expect(task.attempts).toMatchObject([
        { ordinal: 1, agent_id: broken, price: 0.1, outcome: 'trapped', error: trap },
        { ordinal: 2, agent_id: sound, price: 0.4, outcome: 'completed', error: null },
      ]);
      const events = await history(url, token, task.id);
      expect(typesOf(events)).toEqual([
        'task.queued',
        'task.assigned',
        'task.running',
        'task.failover',
        'task.running',
        'task.completed',
      ]);
      expect(events[3].data).toMatchObject({
        attempt: 1,
        agent_id: broken,
        error: trap,
        next: { attempt: 2, agent_id: sound, price: 0.4 },
      });
    });

    it('ends with the reasons of all agents that tried, and asks no more of them than allowed', async () => {
      await offer('trapper', await trapping(), '0.10', 'doomed');
      await offer('quitter', await agent('(call $proc_exit (i32.const 7))'), '0.20', 'doomed');
      await offer('mute', await agent(''), '0.30', 'doomed');
      const spared = await offer('spared', await good(), '0.90', 'doomed');
      const task = await run('doomed', {}, 'failed');

      const outcomes = task.attempts.map((attempt: any) => [attempt.ordinal, attempt.error.code]);
      expect(outcomes).toEqual([
        [1, 'AGENT_TRAPPED'],
        [2, 'AGENT_EXITED'],
        [3, 'AGENT_OUTPUT_INVALID'],
      ]);
      expect(task.attempts.map((attempt: any) => attempt.agent_id)).not.toContain(spared);
      expect(task).toMatchObject({ result: null, cost: null, error: { code: 'ALL_AGENTS_FAILED' } });
      for (const [, code] of outcomes) expect(task.error.message).toContain(code);
      for (const name of ['trapper', 'quitter', 'mute']) expect(task.error.message).toContain(name);
    });
  });

  describe('an agent that refuses the input', () => {
    const refusing = () => agent('(call $proc_exit (i32.const 65))');
    const failedAttempts = async (agentId: string): Promise<number> =>
      expectStatus(await api(url).get(`/agents/${agentId}/card`, { token }), 200).body.statistics.attempts_failed;
    const publishAs = (owner: string, slug: string, wasm: Uint8Array, price: string, capability: string) =>
      publish(url, owner, slug, wasm, { capabilities: [capability], price });

    it('fails the task with a code of its own once another owner’s agent agrees, and neither is blamed', async () => {
      const other = (await registerUser(url)).token;
      const first = await publishAs(ownerToken, 'picky', await refusing(), '0.10', 'picky');
      const second = await publishAs(other, 'pickier', await refusing(), '0.20', 'picky');
      await publishAs(ownerToken, 'never-asked', await good(), '0.90', 'picky');
      const task = await run('picky', {}, 'failed');
      expect(task.error).toEqual({ code: 'INPUT_REFUSED', message: expect.stringContaining('correct it') });
      expect(task.attempts.map(({ outcome, error }: any) => [outcome, error.code])).toEqual([
        ['input_refused', 'INPUT_REFUSED'],
        ['input_refused', 'INPUT_REFUSED'],
      ]);
      // Statistics follow the feed in its order: a failure that comes later is there when this one would be.
      const trapper = await publishAs(other, 'trapper-after', await trapping(), '0.10', 'trap-after');
      await run('trap-after', {}, 'failed');
      await until('the failure counts', async () => (await failedAttempts(trapper)) === 1);
      expect([await failedAttempts(first), await failedAttempts(second)]).toEqual([0, 0]);
    });

    it('is blamed when another agent does the task', async () => {
      const wrong = await offer('wrong', await refusing(), '0.10', 'contested');
      await offer('right', await good(), '0.20', 'contested');
      expect(await run('contested')).toMatchObject({ result: { ok: true } });
      await until('the failure counts', async () => (await failedAttempts(wrong)) === 1);
    });
  });

  describe('a task that would run for ever', () => {
    const start = async (): Promise<string> => {
      const id = await submit(url, token, 'forever', { timeout_ms: 300_000 });
      await waitForTask(url, token, id, 'running');
      return id;
    };
    const cancel = (id: string) => api(url).post(`/tasks/${id}/cancel`, undefined, { token });

    beforeAll(async () => {
      await offer('endless', await endless(), '0.10', 'forever');
      await offer('short', await good(), '0.10', 'short');
    });

    it('is killed by its cancellation, which frees its place and works once', async () => {
      const id = await start();
      const { body: task } = expectStatus(await cancel(id), 200);
      expect(task).toMatchObject({ status: 'cancelled', cost: null, result: null, error: { code: 'CANCELLED' } });
      expect(task.attempts).toMatchObject([{ outcome: 'cancelled', ended_at: expect.any(String) }]);
      expect(typesOf(await history(url, token, id)).at(-1)).toBe('task.cancelled');

      expect(expectStatus(await cancel(id), 409).body.code).toBe('ALREADY_ENDED');
      // The one sandbox is free again long before the deadline of the loop.
      await run('short');
      const metering = await until('what it took until then is written', async () => {
        const { body } = expectStatus(await api(url).get(`/tasks/${id}`, { token }), 200);
        return body.attempts[0].metering ?? undefined;
      });
      expect(metering.wall_ms).toBeGreaterThan(0);
      expect(metering.bytes_in).toBe(2);
      expect(typesOf(await history(url, token, id)).at(-1)).toBe('task.cancelled');
    });

    it('lets others wait, which then go by priority; one that is cancelled meanwhile never runs', async () => {
      const blocker = await start();
      const waiting = new Map<string, string>();
      for (const priority of ['low', 'normal', 'high', 'critical']) {
        waiting.set(await submit(url, token, 'short', { priority }), priority);
      }
      const unwanted = await submit(url, token, 'short', { priority: 'critical' });
      await until('one of them is next in line', async () => {
        const { body } = expectStatus(await api(url).get('/queue/stats', { token: adminToken }), 200);
        return body.held === 5 && body.waiting === 1;
      });
      // While the line stands still, each round of turns may put a more urgent task there. No route shows which.
      await pause(1000);
      expectStatus(await cancel(unwanted), 200);
      expectStatus(await cancel(blocker), 200);

      const runs: [number, string][] = [];
      for (const [id, priority] of waiting) {
        await waitForTask(url, token, id, 'completed');
        const running = (await history(url, token, id)).find((event) => event.type === 'task.running');
        runs.push([running!.seq, priority]);
      }
      runs.sort(([a], [b]) => a - b);
      expect(runs.map(([, priority]) => priority)).toEqual(['critical', 'high', 'normal', 'low']);
      expect(typesOf(await history(url, token, unwanted))).toEqual(['task.queued', 'task.cancelled']);
    });
  });

  describe('the example agents', () => {
    it('are those of the examples folder', async () => {
      const { body } = expectStatus(await api(url).get('/agents?mine=true&limit=100', { token: adminToken }), 200);
      const slugs = body.items.map((card: any) => card.slug as string).sort();
      expect(slugs).toEqual(examples.map((example) => example.slug).sort());
      expect(slugs.length).toBeGreaterThanOrEqual(4);
    });

    it.each(examples)(
      '$slug does its sample task as documented',
      async ({ slug, capabilities, price, input, output }) => {
        // Several offer the same: others stand back, so that this one gets the task.
        const rivals = examples.filter((rival) => rival.slug !== slug);
        for (const rival of rivals) await setStatus(rival.slug, 'paused');
        const task = await run(capabilities[0], { required_capabilities: capabilities, input });
        for (const rival of rivals) await setStatus(rival.slug, 'active');
        expect(task).toMatchObject({ result: output, cost: Number(price) });
      },
    );

    const setStatus = async (slug: string, status: string): Promise<void> => {
      expectStatus(await api(url).patch(`/agents/${slug}`, { status }, { token: adminToken }), 200);
    };
  });
});
