import type { RequestHandler } from 'express';

/** Where the dashboard is served. */
export const DASHBOARD_PATH = '/admin/queues';

/**
 * The entries of the queue as a page. To look at only: what one does to tasks goes through the API, which keeps the rows, the
 * feed and the audit trail.
 */
export abstract class QueueDashboard {
  /** The page, to be mounted at `DASHBOARD_PATH`. It does not authenticate. */
  abstract page(): RequestHandler;
}
