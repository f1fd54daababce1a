export { type Caution, QUEUE_PAGE_PATH } from './open-queue.js';
export { prepareQueue, QUEUE_PAGE, QueueModule } from './queue.module.js';
export { TASK_PRIORITIES, type TaskPriority } from './task-priority.js';
export { type Handled, TASK_QUEUE, type QueueEntry, type TaskQueue } from './task-queue.js';
