import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { Queue } from 'bullmq';
import type { RequestHandler } from 'express';

/** Bull Board, read only. @param path where it is mounted */
export function bullBoard(queue: Queue, path: string): RequestHandler {
  const serverAdapter = new ExpressAdapter();
  serverAdapter.setBasePath(path);
  const description = 'Entries of tasks: an id is the task’s own. Finished entries leave the queue at once.';
  createBullBoard({
    queues: [new BullMQAdapter(queue, { readOnlyMode: true, description })],
    serverAdapter,
    options: { uiConfig: { boardTitle: 'ZeroState', hideRedisDetails: true } },
  });
  return serverAdapter.getRouter() as RequestHandler;
}
