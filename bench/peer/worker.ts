import { fileURLToPath } from 'node:url';
import { Worker } from './bullmq.js';
import pg from 'pg';
import { onBackend } from './backend.js';
import type { Backend } from '../support/services.js';
import { type Documents, Statements } from './statements.js';

/** The peer's worker process: BullMQ, three durable steps a job, nothing else. */
const { BACKEND, QUEUE_URL, DATABASE_URL, QUEUE, CONCURRENCY, DOCUMENTS } = process.env as Record<string, string>;
/** Set: in processes of BullMQ's sandboxed processor, which inherit this environment. */
const { AGENT } = process.env;
const concurrency = Number(CONCURRENCY);
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: concurrency });
const statements = new Statements(pool, JSON.parse(DOCUMENTS) as Documents);
const [options, factory] = onBackend(BACKEND as Backend, QUEUE_URL);

const worker = new Worker(
  QUEUE,
  AGENT
    ? fileURLToPath(new URL('sandboxes/task-processor.js', import.meta.url))
    : async ({ id }) => {
        await statements.claim(id!);
        await statements.run(id!);
        await statements.settle(id!);
      },
  { ...options, concurrency },
  factory,
);
worker.on('error', (error) => console.error(error));
worker.on('failed', (job, error) => console.error(job?.id, error));

const end = (): void => void worker.close().then(() => process.exit(0));
process.once('SIGTERM', end);
process.once('disconnect', end);
process.once('SIGINT', () => undefined); // the benchmark tells it when to end
await worker.waitUntilReady();
process.send?.({ type: 'ready' });
