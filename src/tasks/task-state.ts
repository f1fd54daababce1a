/**
 * The life of a task:
 *
 *     queued ──▶ assigned ──▶ running ──▶ completed | failed | cancelled
 *                   ▲            │
 *                   └────────────┘  failover: the next-ranked agent's turn
 *
 * - queued: the row is there and the queue has, or will get, its id.
 * - assigned: an auction has awarded it to an agent; an attempt has begun.
 * - running: the attempt has its sandbox.
 *
 * `assigned → assigned` is a worker that took over from one that died before the sandbox began. `queued → failed` is a
 * task nobody may or will work on; `assigned → failed` one whose workers kept dying.
 */
export const TASK_STATUSES = ['queued', 'assigned', 'running', 'completed', 'failed', 'cancelled'] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

export const TRANSITIONS: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  queued: ['assigned', 'failed', 'cancelled'],
  assigned: ['assigned', 'running', 'failed', 'cancelled'],
  running: ['assigned', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

/** The states from which `to` may be reached: what the guarded update compares the row's state with. */
export const statesBefore = (to: TaskStatus): TaskStatus[] =>
  TASK_STATUSES.filter((from) => TRANSITIONS[from].includes(to));

export const isTerminal = (status: TaskStatus): boolean => TRANSITIONS[status].length === 0;
