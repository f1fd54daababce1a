export { DASHBOARD_PATH, QueueDashboard } from './dashboard.js';
export { evictionPolicy, QueueModule } from './queue.module.js';
export { TASK_PRIORITIES, type TaskPriority } from './task-priority.js';
export { type Handled, TASK_QUEUE, type QueueEntry, type TaskQueue } from './task-queue.js';
