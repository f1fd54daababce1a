import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Queue } from './bullmq.js';
import type { Bench } from '../bench.js';
import { startProcess, type Process } from '../support/servers.js';
import type { Backend } from '../support/services.js';
import { onBackend } from './backend.js';

const WORKER = fileURLToPath(new URL('no-op-worker.js', import.meta.url));
const QUEUE = 'no-op';
/** Jobs of one `addBulk`. */
const CHUNK = 50;

/** BullMQ alone: jobs that do nothing and write nothing, in a worker process of its own. What the queue itself takes. */
export class BareQueue {
  private done = 0;

  private constructor(
    private readonly queue: Queue,
    private readonly worker: Process,
  ) {}

  static async start(bench: Bench, backend: Backend): Promise<BareQueue> {
    const queueUrl = backend === 'redis' ? bench.services.createRedisDatabase() : await bench.services.createDatabase();
    const queue = new Queue(QUEUE, ...onBackend(backend, queueUrl));
    await queue.waitUntilReady();
    const worker = await startProcess([WORKER], { BACKEND: backend, QUEUE_URL: queueUrl, QUEUE });
    const peer = new BareQueue(queue, worker);
    bench.onEnd(() => worker.stop());
    return peer;
  }

  /** @returns jobs per second, from the first that is added to the last that is done */
  async process(count: number): Promise<number> {
    const start = performance.now();
    this.done += count;
    const ended = this.worker.ask({ type: 'until', done: this.done });
    for (let left = count; left > 0; left -= CHUNK) {
      const jobs = Array.from({ length: Math.min(CHUNK, left) }, () => ({
        name: 'task',
        data: null,
        opts: jobOptions(),
      }));
      await this.queue.addBulk(jobs);
    }
    await ended;
    return (count / (performance.now() - start)) * 1000;
  }

  async stop(): Promise<void> {
    await this.worker.stop();
    await this.queue.close();
  }
}

const jobOptions = () => ({ jobId: randomUUID(), removeOnComplete: true, removeOnFail: true });
