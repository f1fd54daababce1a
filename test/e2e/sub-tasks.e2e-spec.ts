import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifyLedger } from '../../src/ledger/verification.js';
import { api, expectStatus, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { echo, endless, endlessAtFirst, good, history, publish, submit } from './agents.js';
import { caller, callOf, hirer } from './host-call-agents.js';
import { ask } from './rows.js';

/** Agents that hire, each another one: `hire-0` hires `hire-1`, and so on. */
const HIRERS = [0, 1, 2, 3, 4, 5].map((n) => `hire-${n}`);
const MAY_HIRE = [...HIRERS, 'good', 'echo', 'endless', 'slow-start', 'theirs'];

/** One worker with one sandbox slot. */
describe('a sub-task', () => {
  let database: TestDatabase;
  let dataDir: string;
  let env: Record<string, string>;
  let server: ServerProcess;
  let worker: ServerProcess;
  let owner: TestUser;
  let other: TestUser;
  let user: TestUser;
  const agentIds: Record<string, string> = {};

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-sub-tasks-'));
    env = {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      MIN_AGENT_RATING: '0',
      SIGNUP_CREDITS: '1000',
      SWEEP_INTERVAL_MS: '500',
      SANDBOX_SLOTS: '1',
      SUB_TASKS_PER_TASK: '8',
      ENABLE_GEO_ROUTING: 'true',
    };
    [server, worker] = await Promise.all([
      startServer({ roles: ['api'], env }),
      startServer({ roles: ['worker'], env }),
    ]);
    [owner, other, user] = await Promise.all([1, 2, 3].map(() => registerUser(server.url)));
    const limits = { per_task: null, per_day: 1000 };
    expectStatus(await api(server.url).put('/ledger/limits', limits, { token: user.token }), 200);
    const permissions = JSON.stringify({ tasks: { capabilities: MAY_HIRE } });
    const offer = async (by: TestUser, name: string, wasm: Uint8Array, form: object = {}) => {
      agentIds[name] = await publish(server.url, by.token, name, wasm, {
        capabilities: [name],
        price: '0.25',
        ...form,
      });
    };
    for (const name of HIRERS) await offer(owner, name, await hirer(), { permissions });
    await offer(owner, 'submits-12', await caller(12), { permissions });
    await offer(owner, 'waits', await caller(), { permissions });
    await offer(owner, 'good', await good());
    await offer(owner, 'echo', await echo());
    await offer(owner, 'endless', await endless());
    await offer(owner, 'slow-start', await endlessAtFirst());
    await offer(other, 'theirs', await good());
  });

  afterAll(async () => {
    await Promise.all([server?.stop(), worker?.stop()]);
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('runs in the only slot, which its parent gives back, and is paid out of what the parent reserved', async () => {
    const before = (await get('/ledger/balance')).body.available;
    const id = await hire('hire-0', child('echo', { input: { text: 'Grüße', number: 1.5 } }), { max_host_cost: 2 });
    const { result } = await waitForTask(server.url, user.token, id, 'completed');
    expect(result).toMatchObject({
      status: 'completed',
      result: { text: 'Grüße', number: 1.5 },
      failure: null,
      cost: 0.25,
    });
    // Two prices of 0.25: what the sub-task had more than that is released to the submitter.
    expect((await get('/ledger/balance')).body).toMatchObject({ available: before - 0.5, held: 0 });
    const { items } = (await get(`/tasks?parent_id=${id}`)).body;
    expect(items).toMatchObject([{ id: result.id, parent_id: id, status: 'completed', budget: 1 }]);
    expect((await get(`/tasks/${id}`)).body).toMatchObject({ parent_id: null, max_host_cost: 2, host_cost: 0 });
    const transfers = (await get(`/ledger/transfers?task_id=${result.id}`)).body.items;
    expect(transfers.map(({ kind, amount }: any) => [kind, amount]).toSorted()).toEqual([
      ['hold', 1],
      ['lend', 1],
      ['post', 0.25],
      ['release', 0.75],
    ]);
    const calls = (await get(`/tasks/${id}/host-calls`)).body.items;
    expect(calls).toMatchObject([
      { method: 'task.submit', target: result.id, outcome: 'OK', cost: 0 },
      { method: 'task.wait', target: result.id, outcome: 'OK', cost: 0 },
    ]);
    const [queued] = await history(server.url, user.token, result.id);
    expect(queued).toMatchObject({ type: 'task.queued', data: { parent_id: id } });
  });

  it('is refused with an answer that the agent reads, and nothing is written', async () => {
    const refused = async (request: unknown, fields: object = {}) => {
      const id = await hire('hire-0', request, fields);
      const { result } = await waitForTask(server.url, user.token, id, 'completed');
      expect((await get(`/tasks?parent_id=${id}`)).body.items).toEqual([]);
      return result.error;
    };
    const cases: [unknown, string, string][] = [
      [child('sentiment'), 'CAPABILITY_NOT_ALLOWED', '"sentiment"'],
      [child('good', { required_capabilities: [] }), 'CAPABILITY_NOT_ALLOWED', 'must require'],
      [child('good', { budget: 1.000001 }), 'HOST_COST_EXCEEDED', 'max_host_cost'],
      [child('good', { max_host_cost: 0.000001 }), 'HOST_COST_EXCEEDED', 'max_host_cost'],
      [child('good', { budget: -1 }), 'INVALID_REQUEST', 'budget'],
      [child('good', { allow: { http: true } }), 'CONSENT_EXCEEDED', 'http'],
      [child('good', { share_logs: true }), 'CONSENT_EXCEEDED', 'share_logs'],
      [child('good', { priority: 'critical' }), 'INVALID_REQUEST', 'priority'],
      [child('good', { delay_ms: 10 }), 'INVALID_REQUEST', 'delay_ms'],
      [child('good', { context_id: 'thread-17' }), 'INVALID_REQUEST', 'context_id'],
      [child('good', { only_agent_id: agentIds.good }), 'INVALID_REQUEST', 'only_agent_id'],
      [child('good', { user_id: '01900000-0000-7000-8000-000000000000' }), 'INVALID_REQUEST', 'user_id'],
      [child('good', { parent_id: null }), 'INVALID_REQUEST', 'parent_id'],
      [child('good', { deadline: '2020-01-01T00:00:00Z' }), 'INVALID_REQUEST', 'deadline'],
      [child('good', { input: null }), 'INVALID_REQUEST', 'input'],
      [{}, 'INVALID_REQUEST', 'required_capabilities'],
      [[], 'INVALID_REQUEST', 'object'],
    ];
    for (const [request, code, part] of cases) {
      expect(await refused(request)).toEqual({ code, message: expect.stringContaining(part) });
    }
    expect(await refused(child('good'), { max_host_cost: 0 })).toMatchObject({ code: 'HOST_COST_EXCEEDED' });
  });

  it('belongs to the attempt that submitted it: other tasks are unknown to an agent', async () => {
    const mine = await submit(server.url, user.token, 'good');
    await waitForTask(server.url, user.token, mine, 'completed');
    for (const id of [mine, '01900000-0000-7000-8000-000000000000']) {
      const task = await hire('waits', undefined, { input: callOf('task.wait', { id }) });
      const { result } = await waitForTask(server.url, user.token, task, 'completed');
      expect(result.error).toMatchObject({ code: 'TASK_UNKNOWN' });
    }
  });

  it('needs the consent of the submitter', async () => {
    const fields = { input: callOf('task.submit', child('good')), max_host_cost: 1 };
    const id = await submit(server.url, user.token, 'hire-0', fields);
    const { error } = await waitForTask(server.url, user.token, id, 'failed');
    expect(error.code).toBe('PERMISSIONS_NEEDED');
  });

  it('may have five tasks above it, of which none hires itself', async () => {
    const nested = HIRERS.slice(1).reduceRight(
      (inner, name, n) =>
        child(name, {
          input: callOf('task.submit', inner),
          allow: { tasks: true },
          budget: 0.25,
          max_host_cost: 2 - 0.3 * n,
        }),
      child('good', { budget: 0.25 }) as object,
    );
    const id = await hire('hire-0', nested, { max_host_cost: 5 });
    let { result } = await waitForTask(server.url, user.token, id, 'completed', 60_000);
    let depth = 0;
    for (; result.result; depth++) result = result.result;
    expect([depth, result.error.code]).toEqual([5, 'TOO_DEEP']);

    const itself = await hire('hire-0', child('hire-0', { allow: { tasks: true } }));
    const ended = await waitForTask(server.url, user.token, itself, 'completed');
    expect(ended.result).toMatchObject({ status: 'failed', cost: null, result: null });
  });

  it('cannot be submitted without end, and is cancelled when the attempt ends that submitted it', async () => {
    const id = await hire('submits-12', child('endless', { budget: 0.25 }), { max_host_cost: 5 });
    const { result } = await waitForTask(server.url, user.token, id, 'completed');
    expect(result.error).toMatchObject({ code: 'TOO_MANY_SUB_TASKS', message: expect.stringContaining('8') });
    const { items } = (await get(`/tasks?parent_id=${id}`)).body;
    expect(items).toHaveLength(8);
    for (const { id: sub } of items) {
      expect(await waitForTask(server.url, user.token, sub, 'cancelled')).toMatchObject({
        error: { code: 'PARENT_ENDED' },
      });
    }
    expect((await get('/ledger/balance')).body.held).toBe(0);
  });

  it('inherits the deadline, is cancelled with its parent, and cannot be retried by itself', async () => {
    const deadline = new Date(Date.now() + 3_600_000).toISOString();
    const id = await hire('hire-0', child('endless'), { deadline });
    const sub = await childOf(id, 'running');
    expect((await get(`/tasks/${sub.id}`)).body.deadline).toBe(deadline);
    expect((await get(`/tasks/${id}`)).body.status).toBe('running');
    expectStatus(await post(`/tasks/${id}/cancel`), 200);
    await waitForTask(server.url, user.token, sub.id, 'cancelled');

    const failing = await hire('hire-0', child('hire-0', { allow: { tasks: true } }));
    await waitForTask(server.url, user.token, failing, 'completed');
    const failed = await childOf(failing, 'failed');
    expect(expectStatus(await post(`/tasks/${failed.id}/retry`), 409).body).toMatchObject({
      code: 'NOT_RETRYABLE',
      detail: expect.stringContaining('the task above it'),
    });
  });

  it('stays in the region in which its parent must stay, whatever the agent asks', async () => {
    expectStatus(await api(server.url).patch('/agents/hire-0', { region: 'eu' }, { token: owner.token }), 200);
    const place = { region: 'eu', region_required: true };
    const id = await hire('hire-0', child('good', { region: 'us' }), place);
    await waitForTask(server.url, user.token, id, 'completed');
    const sub = await childOf(id, 'failed');
    expect((await get(`/tasks/${sub.id}`)).body).toMatchObject(place);
  });

  it('is submitted anew after its worker died, and the one before is cancelled: nobody pays twice for it', async () => {
    const before = (await get('/ledger/balance')).body.available;
    const id = await hire('hire-0', child('slow-start'), { max_host_cost: 2 });
    const first = await childOf(id, 'running');
    await worker.kill('SIGKILL');
    worker = await startServer({ roles: ['worker'], env });
    const ended = await waitForTask(server.url, user.token, first.id, 'cancelled', 60_000);
    expect(ended.error).toMatchObject({ code: 'PARENT_ENDED' });
    const second = await until('the second sub-task', async () => {
      const { items } = (await get(`/tasks?parent_id=${id}`)).body;
      return items.find((item: { id: string }) => item.id !== first.id);
    });
    // Its agent is endless in a first attempt, so this one is ended from outside.
    await until('it runs', async () => (await get(`/tasks/${second.id}`)).body.status === 'running');
    expectStatus(await post(`/tasks/${second.id}/cancel`), 200);
    expect(await waitForTask(server.url, user.token, id, 'completed')).toMatchObject({
      result: { id: second.id, status: 'cancelled', cost: null },
      // Its agent only waited, so the death of the worker does not count against it.
      attempts: [{ outcome: 'handed_back', error: { code: 'WORKER_LOST' } }, { outcome: 'completed' }],
    });
    expect((await get('/ledger/balance')).body).toMatchObject({ available: before - 0.25, held: 0 });
  });

  it('shows the submitter all, and the owner of its agent no more than any task of others', async () => {
    const id = await hire('hire-0', child('theirs', { input: { secret: 'canary-31f7' } }));
    await waitForTask(server.url, user.token, id, 'completed');
    const sub = await childOf(id, 'completed');
    expectStatus(await get(`/tasks/${sub.id}`, other.token), 404);
    expect((await get(`/tasks?parent_id=${id}`, other.token)).body.items).toEqual([]);
    const seen = JSON.stringify((await get('/events?limit=100', other.token)).body);
    expect(seen).toContain(sub.id);
    for (const hidden of [id, 'canary-31f7', 'parent']) expect(seen).not.toContain(hidden);
  });

  it('gives reputation to an agent of another owner, and none to one of the owner that hired it', async () => {
    const card = async (name: string) =>
      expectStatus(await get(`/agents/${agentIds[name]}/card`), 200).body.statistics.tasks_completed as number;
    const before = { theirs: await card('theirs'), echo: await card('echo') };
    const own = await childOf(await hired('echo'), 'completed');
    const theirs = await childOf(await hired('theirs'), 'completed');
    // Statistics follow the feed in order, so the first task has been seen by then.
    await until('the task of another owner counts', async () => (await card('theirs')) > before.theirs);
    expect(await card('echo')).toBe(before.echo);
    expect(expectStatus(await post(`/tasks/${own.id}/rating`, { rating: 5 }), 409).body.code).toBe('NOT_RATEABLE');
    expectStatus(await post(`/tasks/${theirs.id}/rating`, { rating: 5 }), 200);
  });

  it('counts against the spending limits of the submitter at what it cost', async () => {
    const { available } = (await get('/ledger/balance')).body;
    const [{ spent_today: spent }] = (await get('/ledger/limits')).body.items;
    expect(spent).toBeCloseTo(1000 - available, 6);
    const [{ micro }] = await ask<{ micro: string }>(
      database.url,
      `SELECT spending_today(user_id, NULL) AS micro FROM spending_limits`,
    );
    expect(Number(micro) / 1e6).toBe(spent);
  });

  it('leaves no money held, and a ledger that adds up', async () => {
    expect((await get('/ledger/balance')).body.held).toBe(0);
    const report = await verifyLedger(<R>(text: string) => ask(database.url, text) as Promise<R[]>);
    expect(report.findings).toEqual([]);
  });

  const get = (path: string, token = user.token) => api(server.url).get(path, { token });
  const post = (path: string, body?: unknown, token = user.token) => api(server.url).post(path, body, { token });

  const child = (capability: string, fields: object = {}) => ({
    required_capabilities: [capability],
    budget: 1,
    input: {},
    ...fields,
  });

  /** Submits a task whose agent submits `request`. */
  const hire = (capability: string, request: unknown, fields: object = {}) =>
    submit(server.url, user.token, capability, {
      input: callOf('task.submit', request),
      allow: { tasks: true },
      max_host_cost: 1,
      budget: 1,
      ...fields,
    });

  async function hired(capability: string): Promise<string> {
    const id = await hire('hire-0', child(capability));
    await waitForTask(server.url, user.token, id, 'completed');
    return id;
  }

  const childOf = (id: string, status: string): Promise<any> =>
    until(`a sub-task is ${status}`, async () => {
      const { items } = (await get(`/tasks?parent_id=${id}`)).body;
      return items[0]?.status === status ? items[0] : undefined;
    });
});
