import { Worker } from './bullmq.js';
import type { Backend } from '../support/services.js';
import { onBackend } from './backend.js';

/** A BullMQ worker whose jobs do nothing. Told over IPC to say when so many are done. */
const { BACKEND, QUEUE_URL, QUEUE } = process.env as Record<string, string>;
const [options, factory] = onBackend(BACKEND as Backend, QUEUE_URL);
let done = 0;
let awaited = Infinity;
const tell = (): void => {
  if (done < awaited) return;
  awaited = Infinity;
  process.send?.({ type: 'answer', answer: done });
};

const worker = new Worker(QUEUE, async () => undefined, { ...options, concurrency: 16 }, factory);
worker.on('error', (error) => console.error(error));
worker.on('completed', () => {
  done += 1;
  tell();
});
process.on('message', (command: { type: 'until'; done: number }) => {
  awaited = command.done;
  tell();
});

const end = (): void => void worker.close().then(() => process.exit(0));
process.once('SIGTERM', end);
process.once('disconnect', end);
process.once('SIGINT', () => undefined); // the benchmark tells it when to end
await worker.waitUntilReady();
process.send?.({ type: 'ready' });
