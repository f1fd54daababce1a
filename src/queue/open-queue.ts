import type { RequestHandler } from 'express';
import type { TaskQueue } from './task-queue.js';

/** Where the queue's page is served. */
export const QUEUE_PAGE_PATH = '/admin/queues';

/** What a driver opens. */
export interface OpenQueue {
  queue: TaskQueue;
  /**
   * The entries as a page, to be mounted at `QUEUE_PAGE_PATH`. It authenticates nobody and changes nothing: what an
   * admin does to tasks goes through the API, which keeps the rows, the feed and the audit trail.
   */
  page: RequestHandler;
}

/** Something that works, and that an operator should mend. */
export interface Caution {
  found: string;
  advice: string;
}
