import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, loginAdmin, registerUser, uploadAgent, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { emptyRedis, type TestRedis } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { endless, endlessAtFirst, good, history, publish, submit, typesOf } from './agents.js';
import { FeedSocket } from './feed-client.js';
import { until } from '../support/until.js';

const LIFE = ['task.queued', 'task.assigned', 'task.running', 'task.completed'];

/** Everything between the processes goes over Redis, PostgreSQL, the folder of binaries and the validator's socket. */
describe('an API, a validator and workers as processes of their own, on Redis', () => {
  let redis: TestRedis;
  let database: TestDatabase;
  let dataDir: string;
  let env: Record<string, string>;
  let server: ServerProcess;
  let validator: ServerProcess;
  let url: string;
  let token: string;
  let adminToken: string;
  const workers = new Set<ServerProcess>();

  beforeAll(async () => {
    redis = await emptyRedis();
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-split-'));
    env = { DATABASE_URL: database.url, REDIS_URL: redis.url, QUEUE_PREFIX: redis.prefix, DATA_DIR: dataDir };
    validator = await startValidator();
    server = await startServer({ roles: ['api'], env: { ...env, VALIDATOR_URL: validatorUrl() } });
    url = server.url;
    token = (await registerUser(url)).token;
    adminToken = await loginAdmin(url);
    await publish(url, token, 'good', await good(), { capabilities: ['good'] });
    await publish(url, token, 'endless', await endless(), { capabilities: ['endless'] });
    await publish(url, token, 'endless-at-first', await endlessAtFirst(), { capabilities: ['endless-at-first'] });
  });

  afterAll(async () => {
    await Promise.all([...workers, validator, server].map((one) => one.stop()));
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const validatorUrl = (): string => `unix://${dataDir}/validator`;

  const startValidator = (): Promise<ServerProcess> =>
    startServer({ roles: ['validator'], env: { VALIDATOR_URL: validatorUrl(), ADMIN_PASSWORD: '' } });

  /** Does one task at a time. */
  const startWorker = async (): Promise<ServerProcess> => {
    const oneByOne = { WORKER_CONCURRENCY: '1', SANDBOX_SLOTS: '1', SWEEP_INTERVAL_MS: '200' };
    const worker = await startServer({ roles: ['worker'], env: { ...env, ...oneByOne } });
    workers.add(worker);
    return worker;
  };

  const stopAllWorkers = async (): Promise<void> => {
    await Promise.all([...workers].map((worker) => worker.stop()));
    workers.clear();
  };

  const submitMany = (count: number, capability: string, fields?: object): Promise<string[]> =>
    Promise.all(Array.from({ length: count }, () => submit(url, token, capability, fields)));

  const waitingEntries = async (): Promise<number> =>
    expectStatus(await api(url).get('/queue/stats', { token: adminToken }), 200).body.waiting;

  /** Each task has ended, and its history says so once. */
  const expectEachToCompleteOnce = async (taskIds: readonly string[], timeoutMs?: number): Promise<void> => {
    for (const id of taskIds) {
      const { result, attempts } = await waitForTask(url, token, id, 'completed', timeoutMs);
      expect({ result, attempts: attempts.length }).toEqual({ result: { ok: true }, attempts: 1 });
    }
    const histories = await Promise.all(taskIds.map((id) => history(url, token, id)));
    expect(histories.map(typesOf)).toEqual(taskIds.map(() => LIFE));
  };

  it('reads binaries of strangers in a process that has no secret and no way to a store', async () => {
    const environ = await readFile(`/proc/${validator.pid}/environ`, 'utf8');
    expect(environ).toContain('ROLES=validator');
    const set = environ.split('\0').filter((entry) => !entry.endsWith('='));
    expect(set.filter((entry) => /^\w*(SECRET|PASSWORD|KEY|DATABASE|REDIS|S3|SMTP)/.test(entry))).toEqual([]);
    const { dependencies } = (await (await fetch(`${url}/health/ready`)).json()) as any;
    expect(dependencies.validator).toEqual({ status: 'up', required: false, ms: expect.any(Number) });
  });

  it('answers uploads 503 while the validator is away, names it in its health, and goes on when it is back', async () => {
    await validator.kill('SIGKILL');
    const refused = await uploadAgent(url, token, 'later', await good(), { capabilities: ['later'] });
    expect(refused.status).toBe(503);
    expect(refused.body).toMatchObject({
      code: 'VALIDATOR_UNAVAILABLE',
      detail: expect.stringContaining('upload it again'),
    });
    expect(refused.headers.get('retry-after')).toBe('60');
    const reported = async () => {
      const response = await fetch(`${url}/health/ready`);
      return [response.status, ((await response.json()) as any).dependencies.validator.status];
    };
    await until('its health says so, and it stays ready', async () => String(await reported()) === '200,down');
    // It was killed, so its socket is still there.
    validator = await startValidator();
    await publish(url, token, 'later', await good(), { capabilities: ['later'] });
    await until('its health says so', async () => String(await reported()) === '200,up');
  });

  it('keeps tasks until there is a worker, and brings its events to a socket of the API', async () => {
    const socket = await FeedSocket.connect(url, { token });
    const id = await submit(url, token, 'good');
    await until('the task is in the queue', async () => (await waitingEntries()) === 1);
    await startWorker();
    const heard = await until('the socket has heard of the end', () => {
      const events = socket.received.filter((event) => event.task_id === id);
      return events.length >= LIFE.length && events;
    });
    socket.close();
    expect(heard).toEqual(await history(url, token, id));
    expect(typesOf(heard)).toEqual(LIFE);
  });

  it('kills what a worker runs when the API is asked to cancel it', async () => {
    const id = await submit(url, token, 'endless', { timeout_ms: 300_000 });
    await waitForTask(url, token, id, 'running');
    expectStatus(await api(url).post(`/tasks/${id}/cancel`, undefined, { token }), 200);
    // Only a free worker does this one: there is one worker, with one place.
    await waitForTask(url, token, await submit(url, token, 'good'), 'completed');
  });

  it('shares the tasks among its workers, each settled once', async () => {
    await startWorker();
    const blockers = await submitMany(2, 'endless', { timeout_ms: 300_000 });
    // Each worker has one place, so both are at work.
    for (const id of blockers) await waitForTask(url, token, id, 'running');
    const taskIds = await submitMany(50, 'good');
    for (const id of blockers) expectStatus(await api(url).post(`/tasks/${id}/cancel`, undefined, { token }), 200);
    await expectEachToCompleteOnce(taskIds, 60_000);
  });

  it('hands the task of a worker that was killed to another one', async () => {
    await stopAllWorkers();
    const victim = await startWorker();
    const id = await submit(url, token, 'endless-at-first', { timeout_ms: 300_000 });
    await waitForTask(url, token, id, 'running');
    const heir = startWorker();
    await victim.kill('SIGKILL');
    workers.delete(victim);
    await heir;

    const task = await waitForTask(url, token, id, 'completed', 60_000);
    expect(task).toMatchObject({ result: { ok: true }, error: null });
    expect(task.attempts).toMatchObject([
      { ordinal: 1, outcome: 'lost', error: { code: 'WORKER_LOST' }, ended_at: expect.any(String) },
      { ordinal: 2, outcome: 'completed', error: null },
    ]);
    expect(typesOf(await history(url, token, id))).toEqual([
      'task.queued',
      'task.assigned',
      'task.running',
      'task.assigned',
      'task.running',
      'task.completed',
    ]);
  }, 120_000);

  it('loses no task when Redis loses everything', async () => {
    await stopAllWorkers();
    const taskIds = await submitMany(20, 'good');
    await until('the first of them are in the queue', async () => (await waitingEntries()) > 0);
    await redis.wipe();
    expect(await waitingEntries()).toBe(0);
    await startWorker();
    await expectEachToCompleteOnce(taskIds, 60_000);
  }, 120_000);
});
