import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { api, expectStatus, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { emptyRedis } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { endless, endlessAtFirst, good, history, publish, submit, typesOf } from './agents.js';
import { ask } from './rows.js';

/** What workers do with their tasks when they must stop, cannot go on, or are overruled. */
describe.each(['PostgreSQL', 'Redis'])('workers on %s', (backend) => {
  let database: TestDatabase;
  let dataDir: string;
  let env: Record<string, string>;
  let server: ServerProcess;
  let url: string;
  let token: string;
  const workers = new Set<ServerProcess>();

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-workers-'));
    const redis = backend === 'Redis' ? await emptyRedis() : undefined;
    env = {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      SWEEP_INTERVAL_MS: '500',
      ...(redis && { REDIS_URL: redis.url, QUEUE_PREFIX: redis.prefix }),
    };
    server = await startServer({ roles: ['api'], env });
    url = server.url;
    token = (await registerUser(url)).token;
    await publish(url, token, 'good', await good(), { capabilities: ['good'] });
    await publish(url, token, 'endless', await endless(), { capabilities: ['endless'] });
    await publish(url, token, 'endless-at-first', await endlessAtFirst(), { capabilities: ['endless-at-first'] });
  });

  afterEach(async () => {
    await Promise.all([...workers].map((worker) => worker.stop()));
    workers.clear();
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** A worker that runs one task at a time. */
  const startWorker = async (more: Record<string, string> = {}): Promise<ServerProcess> => {
    const own = { WORKER_CONCURRENCY: '1', SANDBOX_SLOTS: '1', SHUTDOWN_GRACE_MS: '300', ...more };
    const worker = await startServer({ roles: ['worker'], env: { ...env, ...own } });
    workers.add(worker);
    return worker;
  };

  const running = async (capability: string): Promise<string> => {
    const id = await submit(url, token, capability, { timeout_ms: 300_000 });
    await waitForTask(url, token, id, 'running');
    return id;
  };

  it('release a task that they cannot finish in time when they stop, and another worker completes it', async () => {
    const first = await startWorker();
    const id = await running('endless-at-first');
    await Promise.all([startWorker(), first.stop()]);
    workers.delete(first);
    const task = await waitForTask(url, token, id, 'completed', 60_000);
    expect(task.attempts).toMatchObject([
      { ordinal: 1, outcome: 'handed_back', error: { code: 'WORKER_STOPPED' } },
      { ordinal: 2, outcome: 'completed' },
    ]);
    expect(typesOf(await history(url, token, id))).toEqual([
      'task.queued',
      'task.assigned',
      'task.running',
      'task.requeued',
      'task.assigned',
      'task.running',
      'task.completed',
    ]);
  }, 120_000);

  it('stop at once at a second signal', async () => {
    const worker = await startWorker({ SHUTDOWN_GRACE_MS: '600000' });
    const id = await running('endless');
    process.kill(worker.pid, 'SIGTERM');
    await until('it is stopping', () => worker.stdout().includes('a second signal stops at once'));
    await pause(1_100); // a repeat within a second counts as the same signal
    await worker.kill('SIGTERM');
    workers.delete(worker);
    expectStatus(await api(url).post(`/tasks/${id}/cancel`, undefined, { token }), 200);
  });

  it('count a deadline that passes before a sandbox is free against no agent', async () => {
    for (const slug of ['twin', 'other-twin'])
      await publish(url, token, slug, await good(), { capabilities: ['twin'] });
    await startWorker({ WORKER_CONCURRENCY: '2' });
    const blocker = await running('endless');
    const id = await submit(url, token, 'twin', { deadline: new Date(Date.now() + 6000).toISOString() });
    await waitForTask(url, token, id, 'assigned');
    const task = await waitForTask(url, token, id, 'failed');
    expect(task).toMatchObject({
      error: { code: 'DEADLINE_EXCEEDED' },
      attempts: [{ ordinal: 1, outcome: 'handed_back', error: { code: 'DEADLINE_EXCEEDED' } }],
    });
    expectStatus(await api(url).post(`/tasks/${blocker}/cancel`, undefined, { token }), 200);
  });

  describe('that go on', () => {
    /** Cancelled before the worker starts. */
    let cancelled: string;
    let worker: ServerProcess;

    beforeAll(async () => {
      cancelled = await submit(url, token, 'good');
      expectStatus(await api(url).post(`/tasks/${cancelled}/cancel`, undefined, { token }), 200);
      worker = await startWorker();
      workers.delete(worker);
    });

    afterAll(() => worker?.stop());

    it('do not run a task that was cancelled before they started', async () => {
      await waitForTask(url, token, await submit(url, token, 'good'), 'completed');
      expect(typesOf(await history(url, token, cancelled))).toEqual(['task.queued', 'task.cancelled']);
    });

    it('retry a task whose binary cannot be read for a moment, and count that against no agent', async () => {
      const wasm = Buffer.concat([await good(), Buffer.from([0, 5, 4, ...Buffer.from('mark')])]);
      await publish(url, token, 'stored', wasm, { capabilities: ['stored'] });
      const file = await blobOf(dataDir, wasm);
      await rename(file, `${file}.aside`);
      await mkdir(file); // a read error that is neither a missing blob nor a corrupt one
      const id = await submit(url, token, 'stored');
      await until('it was released twice', async () => {
        const types = typesOf(await history(url, token, id));
        return types.filter((type) => type === 'task.requeued').length >= 2;
      });
      await rm(file, { recursive: true });
      await rename(`${file}.aside`, file);
      const { attempts } = await waitForTask(url, token, id, 'completed', 60_000);
      expect(attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
        ...attempts.slice(1).map(() => 'handed_back'),
        'completed',
      ]);
    }, 120_000);

    it('kill the run of a task that another process cancelled', async () => {
      const id = await running('endless');
      expectStatus(await api(url).post(`/tasks/${id}/cancel`, undefined, { token }), 200);
      // The one place is free again.
      await waitForTask(url, token, await submit(url, token, 'good'), 'completed');
    });

    it('leave no attempt open when a task is cancelled at the moment of its award', async () => {
      const id = await submit(url, token, 'endless', { timeout_ms: 300_000, delay_ms: 3000 });
      // Writers of the feed wait for this lock in turn: first the award, then the cancellation.
      const line = new pg.Client(database.url);
      await line.connect();
      try {
        await line.query('BEGIN; SELECT lock_feed()');
        const inLine = async (): Promise<number> => (await line.query(IN_LINE)).rows.length;
        await until('the award waits', async () => (await inLine()) === 1);
        const cancelling = api(url).post(`/tasks/${id}/cancel`, undefined, { token });
        await until('the cancellation waits behind it', async () => (await inLine()) === 2);
        await line.query('COMMIT');
        const { attempts } = expectStatus(await cancelling, 200).body;
        expect(attempts).toMatchObject([{ ordinal: 1, outcome: 'cancelled', ended_at: expect.any(String) }]);
      } finally {
        await line.end();
      }
    }, 120_000);

    it('kill the run of a cancelled task without being notified', async () => {
      const id = await running('endless');
      await ask(database.url, `UPDATE tasks SET status = 'cancelled' WHERE id = $1`, [id]);
      await waitForTask(url, token, await submit(url, token, 'good'), 'completed');
    });
  });
});

/** Sessions that wait for an advisory lock in this database. */
const IN_LINE = `
  SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database
   WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`;

/** Path of a binary's file in the local store. */
async function blobOf(dataDir: string, wasm: Buffer): Promise<string> {
  const sha256 = createHash('sha256').update(wasm).digest('hex');
  const folder = join(dataDir, 'blobs');
  const files = await readdir(folder, { recursive: true });
  const file = files.find((name) => name.replaceAll('/', '').includes(sha256));
  if (!file) throw new Error(`no file of ${sha256} in ${files.join(', ')}`);
  return join(folder, file);
}
