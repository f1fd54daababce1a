import type { Task } from './task.entity.js';
import type { TaskError, ToCancelled } from './task-change.js';

/**
 * The change that ends a task before its time. Who runs it learns of it by the feed and kills the sandbox.
 * @param attempt the attempt that the task was in when it was read: a later one has to be read anew, or it would stay open
 * @param reason why, where it was not a person's wish: a word for programs
 */
export const cancellation = (
  { id, attempt, agentId, shareLogs }: Pick<Task, 'id' | 'attempt' | 'agentId' | 'shareLogs'>,
  error: TaskError,
  reason?: string,
): ToCancelled => ({
  taskId: id,
  to: 'cancelled',
  attempt,
  ended: { outcome: 'cancelled', error: null, metering: null },
  error,
  event: {
    type: 'task.cancelled',
    data: { status: 'cancelled', agent_id: agentId, share_logs: shareLogs, ...(reason && { reason }) },
  },
});
