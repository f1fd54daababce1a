import { setTimeout as pause } from 'node:timers/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.js';
import { emptyRedis } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { chatty, good, history, publish, submit, typesOf } from './agents.js';
import { ask } from './rows.js';

const BLOCKER = new URL('../support/block-event-loop.js', import.meta.url).href;
const LIFE = ['task.queued', 'task.assigned', 'task.running', 'task.completed'];

/** A lock expires 15 s after its last renewal. The queue looks for expired locks every 5 s. */
const RUN_TIMEOUT_MS = 10_000;
const LONGER_THAN_A_LOCK_MS = 30_000;

/** A task belongs to its worker while that process lives, also when the queue takes the worker for lost. */
describe.each(['PostgreSQL', 'Redis'])('a leased task, on %s', (backend) => {
  let database: TestDatabase;
  let proxy: PostgresProxy;
  let dataDir: string;
  let env: Record<string, string>;
  let server: ServerProcess;
  let token: string;
  const workers = new Set<ServerProcess>();

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await startPostgresProxy(database.url);
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-leases-'));
    const redis = backend === 'Redis' ? await emptyRedis() : undefined;
    env = {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      SWEEP_INTERVAL_MS: '500',
      ...(redis && { REDIS_URL: redis.url, QUEUE_PREFIX: redis.prefix }),
    };
    server = await startServer({ roles: ['api'], env });
    token = (await registerUser(server.url)).token;
    await publish(server.url, token, 'good', await good(), { capabilities: ['good'] });
    // Three seconds.
    await publish(server.url, token, 'slow', await chatty(50), { capabilities: ['slow'] });
  });

  afterEach(async () => {
    await Promise.all([...workers].map((worker) => worker.stop()));
    workers.clear();
  });

  afterAll(async () => {
    await server?.stop();
    await proxy?.close();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const startWorker = async (more: Record<string, string> = {}, modules: string[] = []): Promise<ServerProcess> => {
    const worker = await startServer({ roles: ['worker'], env: { ...env, SANDBOX_SLOTS: '1', ...more }, modules });
    workers.add(worker);
    return worker;
  };

  const expectOneRun = async (id: string): Promise<void> => {
    const task = await waitForTask(server.url, token, id, 'completed', 60_000);
    expect(task.attempts).toMatchObject([{ ordinal: 1, outcome: 'completed' }]);
    const types = typesOf(await history(server.url, token, id)).filter((type) => type !== 'task.log');
    expect(types).toEqual(LIFE);
  };

  // Both faults at once, since each lasts longer than a lock.
  it('stays with a worker whose event loop is blocked, and with one stopped past the timeout of the run', async () => {
    const one = { WORKER_CONCURRENCY: '1' };
    const [blocked, stopped] = await Promise.all([startWorker(one, [BLOCKER]), startWorker(one)]);
    const tasks = await Promise.all(
      [1, 2].map(() => submit(server.url, token, 'slow', { timeout_ms: RUN_TIMEOUT_MS })),
    );
    await Promise.all(tasks.map((id) => waitForTask(server.url, token, id, 'running')));
    blocked.send({ type: 'block', ms: LONGER_THAN_A_LOCK_MS });
    await stopped.kill('SIGSTOP');
    // On Redis the locks of both entries expire, so a third worker gets them, and leaves the tasks alone. On PostgreSQL a
    // worker that lives keeps its entries.
    const other = await startWorker();
    const returned = (id: string): boolean =>
      other
        .stdout()
        .split('\n')
        .some((line) => [id, '"msg":"job"', '"handed_back"'].every((part) => line.includes(part)));
    if (backend === 'Redis') {
      await until('both entries came to another worker', () => tasks.every(returned), LONGER_THAN_A_LOCK_MS);
    } else {
      await pause(RUN_TIMEOUT_MS + 1000);
      expect(tasks.filter(returned)).toEqual([]);
    }
    await stopped.kill('SIGCONT');
    for (const id of tasks) await expectOneRun(id);
  }, 120_000);

  it('is completed although the database goes away right after the award', async () => {
    const held = proxy.hold('statement', '"to_status":"running"');
    const worker = await startWorker({ DATABASE_URL: proxy.url });
    const id = await submit(server.url, token, 'good');
    await held;
    proxy.goAway();
    const rows = await ask(database.url, 'SELECT status, attempt FROM tasks WHERE id = $1', [id]);
    expect(rows).toEqual([{ status: 'assigned', attempt: 1 }]);
    await until('the worker has noticed', () => worker.stdout().includes(`task ${id} goes back to the queue`));
    proxy.comeBack();
    const { attempts } = await waitForTask(server.url, token, id, 'completed', 60_000);
    expect(attempts).toMatchObject([
      { ordinal: 1, outcome: 'handed_back', error: { code: 'BACKEND_AWAY' } },
      { ordinal: 2, outcome: 'completed' },
    ]);
  }, 120_000);
});
