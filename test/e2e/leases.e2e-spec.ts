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

/** The queue notices that a worker does not renew what it holds after 15 s, at the next of its looks 5 s apart. */
const LONGER_THAN_A_LOCK_MS = 30_000;

/** What a worker holds is its own while it lives, whatever the queue believes. */
describe.each(['PostgreSQL', 'Redis'])('a task that a worker holds, on %s', (backend) => {
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

  /** A second worker gets the entry, which the first no longer renews, and leaves the task alone. */
  const expectToBeLeftAlone = async (): Promise<void> => {
    const other = await startWorker();
    const handedBack = /"msg":"job".*"outcome":"handed_back"/;
    await until('the entry came to another worker', () => handedBack.test(other.stdout()), LONGER_THAN_A_LOCK_MS);
  };

  it('stays with it while its event loop is blocked and the sandbox computes', async () => {
    const worker = await startWorker({}, [BLOCKER]);
    const id = await submit(server.url, token, 'slow', { timeout_ms: 300_000 });
    await waitForTask(server.url, token, id, 'running');
    worker.send({ type: 'block', ms: LONGER_THAN_A_LOCK_MS });
    await expectToBeLeftAlone();
    await expectOneRun(id);
  }, 120_000);

  it('stays with it while the process itself is stopped, also past the timeout of a run that ended in time', async () => {
    const worker = await startWorker();
    const id = await submit(server.url, token, 'slow', { timeout_ms: 10_000 });
    await waitForTask(server.url, token, id, 'running');
    await worker.kill('SIGSTOP');
    await expectToBeLeftAlone();
    await worker.kill('SIGCONT');
    await expectOneRun(id);
  }, 120_000);

  it('is done after all when the database goes away right after the award', async () => {
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
