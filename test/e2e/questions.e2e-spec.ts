import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifyLedger } from '../../src/ledger/verification.js';
import { api, expectStatus, loginAdmin, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { type FeedEvent, good, history, publish, submit, typesOf } from './agents.js';
import { caller, callOf } from './host-call-agents.js';
import { ask } from './rows.js';

const QUESTION = 'Which of the two companies do you mean? canary-7c1d';
const SCHEMA = { enum: ['first', 'second'] };

/** One worker with one sandbox slot, which may keep three waiting agents, two of an account. */
describe('a question of an agent', () => {
  let database: TestDatabase;
  let dataDir: string;
  let env: Record<string, string>;
  let server: ServerProcess;
  let worker: ServerProcess;
  let admin: string;
  let owner: TestUser;
  let user: TestUser;
  let stranger: TestUser;

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-questions-'));
    env = {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      MIN_AGENT_RATING: '0',
      SIGNUP_CREDITS: '1000',
      SWEEP_INTERVAL_MS: '500',
      SANDBOX_SLOTS: '1',
      PARKED_AGENTS: '3',
      PARKED_AGENTS_PER_ACCOUNT: '2',
      QUESTION_ANSWER_BYTES: '1024',
    };
    [server, worker] = await Promise.all([
      startServer({ roles: ['api'], env }),
      startServer({ roles: ['worker'], env }),
    ]);
    admin = await loginAdmin(server.url);
    [owner, user, stranger] = await Promise.all([1, 2, 3].map(() => registerUser(server.url)));
    await publish(server.url, owner.token, 'good', await good(), { capabilities: ['good'] });
    const asking = { permissions: '{"ask":true}' };
    await publish(server.url, owner.token, 'asker', await caller(), { ...asking, capabilities: ['asker'] });
    await publish(server.url, owner.token, 'twice', await caller(2), { ...asking, capabilities: ['twice'] });
  });

  afterAll(async () => {
    await Promise.all([server?.stop(), worker?.stop()]);
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('waits only on tasks whose submitters allow questions', async () => {
    const id = await submit(server.url, user.token, 'asker', { input: callOf('input.ask', { question: 'Why?' }) });
    expect((await waitForTask(server.url, user.token, id, 'failed')).error.code).toBe('PERMISSIONS_NEEDED');
  });

  it('is seen and answered by the submitter alone, and its answer by no other account', async () => {
    const { id, question } = await asked({ question: QUESTION, schema: SCHEMA });
    expect(question).toEqual({
      id: expect.any(String),
      question: QUESTION,
      schema: SCHEMA,
      asked_at: expect.any(String),
      expires_at: expect.any(String),
    });
    const body = { question_id: question.id, answer: 'second' };
    for (const token of [stranger.token, owner.token]) {
      expectStatus(await get(`/tasks/${id}`, token), 404);
      expectStatus(await answer(id, body, token), 404);
      expect(JSON.stringify((await get('/events?limit=100', token)).body)).not.toContain('canary-7c1d');
    }
    expect(expectStatus(await get(`/tasks/${id}`, admin), 200).body.question.question).toBe(QUESTION);
    expect(expectStatus(await answer(id, body, admin), 403).body.code).toBe('NOT_SUBMITTER');
    expectStatus(await answer(id, body), 200);
    const done = await waitForTask(server.url, user.token, id, 'completed');
    expect(done).toMatchObject({ result: { answer: 'second' }, question: null });

    const events = await history(server.url, user.token, id);
    expect(typesOf(events)).toEqual([
      ...['task.queued', 'task.assigned', 'task.running', 'task.input_required', 'task.input_received'],
      ...['task.resumed', 'task.host_call', 'task.completed'],
    ]);
    expect(events[3].data).toMatchObject({ status: 'input_required', attempt: 1, question });
    const theirs = (await get('/events?limit=100', owner.token)).body.items as FeedEvent[];
    const types = theirs.filter(({ task_id }) => task_id === id).map(({ type }) => type);
    expect(types).toEqual(['task.assigned', 'task.running', 'task.completed']);
  });

  it('is shown to the owner of the agent if the submitter shares logs, and the answer is not', async () => {
    const { id, question } = await asked({ question: 'shared-canary' }, { share_logs: true });
    expectStatus(await answer(id, { question_id: question.id, answer: 'hidden-canary' }), 200);
    await waitForTask(server.url, user.token, id, 'completed');
    const seen = JSON.stringify((await get('/events?limit=100', owner.token)).body);
    expect(seen).toContain('shared-canary');
    expect(seen).not.toContain('hidden-canary');
  });

  it('takes an answer once, and refuses what does not fit, changing nothing', async () => {
    const { id, question } = await asked({ question: QUESTION, schema: SCHEMA });
    const other = await asked({ question: 'Another?' });
    const question_id = question.id;
    const refusals: [object, number, string][] = [
      [{ question_id }, 400, 'VALIDATION_FAILED'],
      [{ answer: 'first' }, 400, 'VALIDATION_FAILED'],
      [{ question_id: 'x', answer: 'first' }, 400, 'VALIDATION_FAILED'],
      [{ question_id, answer: 'third' }, 400, 'VALIDATION_FAILED'],
      [{ question_id, answer: 'first', more: 1 }, 400, 'VALIDATION_FAILED'],
      [{ question_id: id, answer: 'first' }, 404, 'NOT_FOUND'],
      [{ question_id: other.question.id, answer: 'first' }, 404, 'NOT_FOUND'],
      [{ question_id, answer: 'x'.repeat(2000) }, 413, 'ANSWER_TOO_LARGE'],
    ];
    for (const [body, status, code] of refusals) {
      expect(expectStatus(await answer(id, body), status).body.code).toBe(code);
    }
    expect((await get(`/tasks/${id}`)).body).toMatchObject({ status: 'input_required', question });
    expectStatus(await answer(id, { question_id, answer: 'first' }), 200);
    expectStatus(await answer(id, { question_id, answer: 'first' }), 200);
    expect(expectStatus(await answer(id, { question_id, answer: 'second' }), 409).body.code).toBe('ALREADY_ANSWERED');
    expect((await waitForTask(server.url, user.token, id, 'completed')).result).toEqual({ answer: 'first' });

    expectStatus(await post(`/tasks/${other.id}/cancel`), 200);
    const late = { question_id: other.question.id, answer: 1 };
    expect(expectStatus(await answer(other.id, late), 409).body.code).toBe('QUESTION_CLOSED');
    expect((await get(`/tasks/${other.id}`)).body).toMatchObject({ status: 'cancelled', question: null });
  });

  it('gives the answer to the agent as it was written', async () => {
    const { id, question } = await asked({ question: 'A number?' });
    const response = await fetch(`${server.url}/api/v1/tasks/${id}/input`, {
      method: 'POST',
      headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/json' },
      body: `{"question_id":"${question.id}","answer":12345678901234567890.10}`,
    });
    expect(response.status).toBe(200);
    await waitForTask(server.url, user.token, id, 'completed');
    const raw = await fetch(`${server.url}/api/v1/tasks/${id}`, { headers: { authorization: `Bearer ${user.token}` } });
    expect(await raw.text()).toContain('"result":{"answer":12345678901234567890.10}');
  });

  it('leaves the only slot to other tasks, and its wait is not billed as a run', async () => {
    const { id, question } = await asked({ question: 'Slow?' }, { timeout_ms: 1000 });
    for (let round = 0; round < 3; round++) {
      const task = await submit(server.url, stranger.token, 'good');
      await waitForTask(server.url, stranger.token, task, 'completed');
    }
    // Longer than the time limit of the run.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expectStatus(await answer(id, { question_id: question.id, answer: null }), 200);
    const { result, attempts } = await waitForTask(server.url, user.token, id, 'completed');
    expect(result).toEqual({ answer: null });
    expect(attempts[0].metering.wall_ms).toBeLessThan(1000);
  });

  it('cannot fill the worker: beyond the limits the agent reads an error', async () => {
    const mine = await Promise.all([1, 2].map(() => asked({ question: 'Wait' })));
    const third = await submit(server.url, user.token, 'asker', asking({ question: 'Wait' }));
    const refused = await waitForTask(server.url, user.token, third, 'completed');
    expect(refused).toMatchObject({ result: { error: { code: 'TOO_MANY_PARKED' } } });
    expect((await get(`/tasks/${third}`)).body.question).toBeNull();
    // The owner of the agent has two waiting ones as well, whoever submits the next.
    const fourth = await submit(server.url, stranger.token, 'asker', asking({ question: 'Wait' }));
    const other = await waitForTask(server.url, stranger.token, fourth, 'completed');
    expect(other).toMatchObject({ result: { error: { code: 'TOO_MANY_PARKED' } } });
    await waitForTask(server.url, stranger.token, await submit(server.url, stranger.token, 'good'), 'completed');
    for (const { id } of mine) expectStatus(await post(`/tasks/${id}/cancel`), 200);
    const again = await until('a place is free', async () => {
      const id = await submit(server.url, user.token, 'asker', asking({ question: 'Now?', timeout_ms: 1 }));
      const { result } = await waitForTask(server.url, user.token, id, 'completed');
      return result.error.code === 'INPUT_TIMED_OUT' ? result : undefined;
    });
    expect(again).toMatchObject({ error: { code: 'INPUT_TIMED_OUT' } });
  });

  it('ends with the deadline of its task, for which the agent is not to blame', async () => {
    const { id } = await asked({ question: 'Late?' }, { deadline: new Date(Date.now() + 2500).toISOString() });
    const failed = await waitForTask(server.url, user.token, id, 'failed');
    expect(failed).toMatchObject({ error: { code: 'DEADLINE_EXCEEDED' }, attempts: [{ outcome: 'handed_back' }] });
  });

  it('ends when the account of its submitter is suspended', async () => {
    const gone = await registerUser(server.url);
    const id = await submit(server.url, gone.token, 'asker', asking({ question: 'Still there?' }));
    await waitForTask(server.url, gone.token, id, 'input_required');
    const [account] = await ask<{ id: string }>(database.url, 'SELECT id FROM users WHERE email = $1', [gone.email]);
    expectStatus(await post(`/users/${account.id}/suspend`, { reason: 'a test' }, admin), 200);
    expect(await waitForTask(server.url, admin, id, 'cancelled')).toMatchObject({
      error: { code: 'ACCOUNT_SUSPENDED' },
      question: null,
    });
  });

  it('must be a question', async () => {
    for (const request of [
      {},
      { question: '' },
      { question: 'x'.repeat(5000) },
      { question: 'a\u0000b' },
      { question: 'x', schema: { type: 'strange' } },
      { question: 'x', schema: { title: '\u0000' } },
      { question: 'x', timeout_ms: 0 },
    ]) {
      const id = await submit(server.url, user.token, 'asker', asking(request));
      const { result } = await waitForTask(server.url, user.token, id, 'completed');
      expect([request, result.error.code]).toEqual([request, 'INVALID_REQUEST']);
    }
  });

  it('survives the death of its worker: answered ones are not asked again, and an open one stays the same', async () => {
    const { id, question } = await asked({ question: 'Twice?' }, { required_capabilities: ['twice'] });
    const open = await asked({ question: 'Open?' });
    expectStatus(await answer(id, { question_id: question.id, answer: 'one' }), 200);
    const second = await until('the second question', async () => {
      const next = (await get(`/tasks/${id}`)).body.question;
      return next && next.id !== question.id ? next : undefined;
    });
    await worker.kill('SIGKILL');
    // Answered while no worker is there.
    expectStatus(await answer(open.id, { question_id: open.question.id, answer: 'kept' }), 200);
    worker = await startServer({ roles: ['worker'], env });
    expect(await waitForTask(server.url, user.token, open.id, 'completed', 60_000)).toMatchObject({
      result: { answer: 'kept' },
      attempts: [{ outcome: 'handed_back', error: { code: 'WORKER_LOST' } }, { outcome: 'completed' }],
    });
    const again = await until('it is asked again', async () => {
      const { status, attempts, question: shown } = (await get(`/tasks/${id}`)).body;
      return status === 'input_required' && attempts.length === 2 ? shown : undefined;
    });
    expect(again).toEqual(second);
    expectStatus(await answer(id, { question_id: second.id, answer: 'two' }), 200);
    expect((await waitForTask(server.url, user.token, id, 'completed')).result).toEqual({ answer: 'two' });
    const rows = await ask(database.url, 'SELECT place, answer FROM task_questions WHERE task_id = $1 ORDER BY place', [
      id,
    ]);
    expect(rows).toEqual([
      { place: 0, answer: 'one' },
      { place: 1, answer: 'two' },
    ]);
  });

  it('is released by a worker that stops, and waits on at the next', async () => {
    const { id, question } = await asked({ question: 'Again?' });
    await worker.stop();
    expect((await get(`/tasks/${id}`)).body.status).toBe('queued');
    worker = await startServer({ roles: ['worker'], env });
    const shown = await until('it is shown again', async () => (await get(`/tasks/${id}`)).body.question ?? undefined);
    expect(shown).toEqual(question);
    expectStatus(await answer(id, { question_id: question.id, answer: 7 }), 200);
    expect((await waitForTask(server.url, user.token, id, 'completed')).result).toEqual({ answer: 7 });
  });

  it('leaves no money held', async () => {
    expect((await get('/ledger/balance')).body.held).toBe(0);
    const report = await verifyLedger(<R>(text: string) => ask(database.url, text) as Promise<R[]>);
    expect(report.findings).toEqual([]);
  });

  const get = (path: string, token = user.token) => api(server.url).get(path, { token });
  const post = (path: string, body?: unknown, token = user.token) => api(server.url).post(path, body, { token });
  const answer = (id: string, body: object, token = user.token) => post(`/tasks/${id}/input`, body, token);

  const asking = (request: object) => ({ input: callOf('input.ask', request), allow: { ask: true } });

  /** Submits a task whose agent asks, and waits until it does. */
  async function asked(request: object, fields: object = {}) {
    const id = await submit(server.url, user.token, 'asker', { ...asking(request), ...fields });
    const { question } = await waitForTask(server.url, user.token, id, 'input_required');
    return { id, question };
  }
});
