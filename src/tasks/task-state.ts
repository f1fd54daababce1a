/**
 * The life of a task:
 *
 *     queued ──▶ assigned ──▶ running ──▶ completed | failed | cancelled
 *       ▲           ▲            │
 *       │           └────────────┤  failover: the next-ranked agent's turn
 *       └────────────────────────┘  hand-back: the worker stops, or has lost what it needs
 *
 * - queued: the row is there and the queue has, or will get, its id.
 * - assigned: an auction has awarded it to an agent; an attempt has begun.
 * - running: the attempt has its sandbox.
 *
 * `assigned → assigned` is a worker that took over from one that died before the sandbox began. `queued → failed` is a
 * task nobody may or will work on; `assigned → failed` one whose workers kept dying. `failed → queued` is a retry by hand.
 */
export const TASK_STATUSES = ['queued', 'assigned', 'running', 'completed', 'failed', 'cancelled'] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

export const TRANSITIONS: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  queued: ['assigned', 'failed', 'cancelled'],
  assigned: ['queued', 'assigned', 'running', 'failed', 'cancelled'],
  running: ['queued', 'assigned', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: ['queued'],
  cancelled: [],
};

/** The states from which `to` may be reached: what the guarded update compares the row's state with. */
export const statesBefore = (to: TaskStatus): TaskStatus[] =>
  TASK_STATUSES.filter((from) => TRANSITIONS[from].includes(to));

/** States in which a task stays unless somebody retries it. */
export const ENDS = ['completed', 'failed', 'cancelled'] as const satisfies TaskStatus[];

export const isTerminal = (status: TaskStatus): boolean => (ENDS as readonly TaskStatus[]).includes(status);
