import { counters } from '../observability/index.js';
import { TASK_PRIORITIES } from '../queue/index.js';
import { TASK_STATUSES } from './task-state.js';

export const tasksSubmitted = counters('tasks_submitted_total', 'Tasks stored, by priority.', {
  priority: TASK_PRIORITIES,
});
export const taskChanges = counters('task_changes_total', 'Changes of state written, by the state entered.', {
  status: TASK_STATUSES,
});
