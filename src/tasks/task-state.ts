/**
 * The life of a task:
 *
 *     queued ──▶ assigned ──▶ running ──▶ completed | failed | cancelled
 *       ▲           ▲            │ ▲
 *       │           ├────────────┤ ▼
 *       │           │            │ input_required
 *       │           └────────────┤  failover: the next-ranked agent's turn
 *       └────────────────────────┘  release: the worker stops, or has lost what it needs
 *
 * - queued: the row is there and the queue has, or will get, its id.
 * - assigned: an auction has awarded it to an agent; an attempt has begun.
 * - running: the attempt has its sandbox.
 * - input_required: the agent has asked the submitter a question. Its process is parked: it keeps its memory, and other
 *   runs may use its slot. It cannot complete before it is `running` again; otherwise it ends as a running one.
 *
 * `assigned → assigned` is a worker that took over from one that died before the sandbox began. A task goes from `queued`
 * to `failed` when no agent can do it, and from `assigned` to `failed` when its workers kept dying. A task that has ended
 * does not change: a retry is a new task.
 */
export const TASK_STATUSES = [
  'queued',
  'assigned',
  'running',
  'input_required',
  'completed',
  'failed',
  'cancelled',
] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

export const TRANSITIONS: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  queued: ['assigned', 'failed', 'cancelled'],
  assigned: ['queued', 'assigned', 'running', 'failed', 'cancelled'],
  running: ['queued', 'assigned', 'input_required', 'completed', 'failed', 'cancelled'],
  input_required: ['queued', 'assigned', 'running', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

/** The states from which `to` may be reached: what the guarded update compares the row's state with. */
export const statesBefore = (to: TaskStatus): TaskStatus[] =>
  TASK_STATUSES.filter((from) => TRANSITIONS[from].includes(to));

/** States in which a worker leases the task. */
export const LEASED = ['assigned', 'running', 'input_required'] as const satisfies TaskStatus[];

/** States in which a task stays. */
export const ENDS = ['completed', 'failed', 'cancelled'] as const satisfies TaskStatus[];

export const isTerminal = (status: TaskStatus): boolean => (ENDS as readonly TaskStatus[]).includes(status);

const listed = (states: readonly TaskStatus[]): string => `(${states.map((state) => `'${state}'`).join(', ')})`;

/** SQL list of the states in which a worker leases the task. */
export const LEASED_STATES = listed(LEASED);

/** SQL list of the states in which a task has not ended. The index `tasks_open_idx` has the same list. */
export const UNFINISHED_STATES = listed(['queued', ...LEASED]);
