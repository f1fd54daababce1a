export { DASHBOARD_PATH, QueueDashboard } from './dashboard.js';
export { prepareQueue } from './prepare-queue.js';
export { QueueModule, queueSchemas } from './queue.module.js';
export type { Caution } from './queue-server.js';
export { TASK_PRIORITIES, type TaskPriority } from './task-priority.js';
export { type Handled, TASK_QUEUE, type QueueEntry, type TaskQueue } from './task-queue.js';
