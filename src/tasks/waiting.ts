import { TASK_PRIORITIES, type TaskPriority } from '../queue/index.js';

/** Priority of a waiting task after it has risen by `levels` with age. */
export const risen = (priority: TaskPriority, levels: number): TaskPriority =>
  TASK_PRIORITIES[Math.min(TASK_PRIORITIES.indexOf(priority) + levels, TASK_PRIORITIES.length - 1)];

/** SQL: since when a task could have begun. */
export const WAITS_SINCE = 'greatest(tasks.created_at, run_at, retried_at)';
