import { fileURLToPath } from 'node:url';
import { Queue, QueueEvents } from './bullmq.js';
import pg from 'pg';
import { newId } from '../../src/common/ids.js';
import { wat } from '../../test/support/wat.js';
import type { Bench } from '../bench.js';
import { ANSWERS_EMPTY_OBJECT, TASK } from '../support/installation.js';
import { Meter } from '../support/meter.js';
import { onBackend } from './backend.js';
import { startProcess } from '../support/servers.js';
import type { Backend } from '../support/services.js';
import { type Documents, Statements } from './statements.js';

const WORKER = fileURLToPath(new URL('worker.js', import.meta.url));
const QUEUE = 'bare';
const CONCURRENCY = 16;
/** Submissions under way at a time, and connections they share. */
const SUBMITTERS = 32;
const SUBMITTER_CONNECTIONS = 8;
/** Jobs of one `addBulk`. */
const CHUNK = 50;

/**
 * The peer: what one would write by hand with BullMQ and `pg` for the same rows in the same tables, and no WebAssembly,
 * or, sandboxed, the agent as BullMQ would run it: in processes of its own that are kept, with no walls.
 * The submitter lives in this process, the worker in one of its own.
 *
 * It does less than we do, and is meant to: no HTTP, no authentication, no auction, no sandbox, no live feed, no taking
 * over from dead workers. Its events are numbered in no particular order, so it need not take turns to commit.
 */
export class BarePipeline {
  private constructor(
    readonly databaseUrl: string,
    readonly meter: Meter,
    private readonly statements: Statements,
    private readonly userId: string,
    private readonly queue: Queue,
    private readonly events: QueueEvents,
    readonly stop: () => Promise<void>,
  ) {}

  /** @param sandboxed jobs are done by BullMQ's sandboxed processor, which also runs the agent */
  static async start(bench: Bench, backend: Backend, documents: Documents, sandboxed = false): Promise<BarePipeline> {
    const { services } = bench;
    const databaseUrl = await services.createDatabase();
    const queueUrl = backend === 'redis' ? services.createRedisDatabase() : databaseUrl;
    const pool = new pg.Pool({ connectionString: databaseUrl, max: SUBMITTER_CONNECTIONS });
    pool.on('error', () => undefined); // the query under way is told
    await pool.query('ALTER TABLE task_events DISABLE TRIGGER task_events_in_commit_order');
    const userId = newId();
    await pool.query(`INSERT INTO users (id, email, password_hash) VALUES ($1, 'submitter@example.test', '-')`, [
      userId,
    ]);
    const [options, factory] = onBackend(backend, queueUrl);
    const queue = new Queue(QUEUE, options, factory);
    const events = new QueueEvents(QUEUE, options, factory);
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
    const worker = await startProcess([WORKER], {
      BACKEND: backend,
      QUEUE_URL: queueUrl,
      DATABASE_URL: databaseUrl,
      QUEUE,
      CONCURRENCY: String(CONCURRENCY),
      DOCUMENTS: JSON.stringify(documents),
      ...(sandboxed && { AGENT: Buffer.from(await wat(ANSWERS_EMPTY_OBJECT)).toString('base64') }),
    });
    const stop = once(async () => {
      await worker.stop();
      await Promise.all([queue.close(), events.close(), pool.end()]);
    });
    bench.onEnd(stop);
    const meter = await Meter.open(services, databaseUrl, [worker.pid, process.pid], sandboxed);
    return new BarePipeline(databaseUrl, meter, new Statements(pool, documents), userId, queue, events, stop);
  }

  /** Submits as fast as it can; the worker is at it from the first chunk on. @returns when it began, ms since the epoch */
  async submitMany(count: number): Promise<number> {
    const startedAt = Date.now();
    let left = count;
    let stored: string[] = [];
    const enqueue = async (): Promise<void> => {
      const ids = stored;
      stored = [];
      await this.queue.addBulk(ids.map((id) => ({ name: 'task', data: null, opts: { ...JOB, jobId: id } })));
    };
    const submitter = async (): Promise<void> => {
      while (left-- > 0) {
        const id = await this.store();
        stored.push(id);
        if (stored.length >= CHUNK) await enqueue();
      }
    };
    await Promise.all(Array.from({ length: SUBMITTERS }, submitter));
    if (stored.length > 0) await enqueue();
    return startedAt;
  }

  /** Takes one task through the pipeline. @returns ms until its completion is heard of */
  async one(): Promise<number> {
    const start = performance.now();
    const id = await this.store();
    const completed = new Promise<void>((resolve) => {
      const listen = ({ jobId }: { jobId: string }): void => {
        if (jobId !== id) return;
        this.events.off('completed', listen);
        resolve();
      };
      this.events.on('completed', listen);
    });
    await this.queue.add('task', null, { ...JOB, jobId: id });
    await completed;
    return performance.now() - start;
  }

  private async store(): Promise<string> {
    const id = newId();
    await this.statements.submit(id, this.userId, TASK.required_capabilities, JSON.stringify(TASK.input));
    return id;
  }
}

const JOB = { removeOnComplete: true, removeOnFail: true };

function once(stop: () => Promise<void>): () => Promise<void> {
  let stopping: Promise<void> | undefined;
  return () => (stopping ??= stop());
}
