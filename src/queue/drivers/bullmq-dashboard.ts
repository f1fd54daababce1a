import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { InjectQueue } from '@nestjs/bullmq';
import { Injectable } from '@nestjs/common';
import type { Queue } from 'bullmq';
import type { RequestHandler } from 'express';
import { DASHBOARD_PATH, QueueDashboard } from '../dashboard.js';
import { TASKS } from './bullmq-consumer.js';

/** Bull Board. */
@Injectable()
export class BullmqDashboard extends QueueDashboard {
  constructor(@InjectQueue(TASKS) private readonly queue: Queue) {
    super();
  }

  page(): RequestHandler {
    const serverAdapter = new ExpressAdapter();
    serverAdapter.setBasePath(DASHBOARD_PATH);
    const description = 'Entries of tasks: an id is the task’s own. Finished entries leave the queue at once.';
    createBullBoard({
      queues: [new BullMQAdapter(this.queue, { readOnlyMode: true, description })],
      serverAdapter,
      options: { uiConfig: { boardTitle: 'ZeroState', hideRedisDetails: true } },
    });
    return serverAdapter.getRouter() as RequestHandler;
  }
}
