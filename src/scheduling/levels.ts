import type { QueueEntry, TaskPriority } from '../queue/index.js';
import { risen, WAITS_SINCE } from '../tasks/index.js';

/** What fair share and priority ageing both need: a task's priority in the queue follows from how long it has waited. */

export interface WaitingRow {
  id: string;
  priority: TaskPriority;
  /** Levels of priority that the task has risen by. */
  aged: number;
}

/** Queue entries in the order of submission, which is the order of ids. */
export const toEntries = (rows: WaitingRow[]): QueueEntry[] =>
  rows
    .toSorted((one, other) => (one.id < other.id ? -1 : 1))
    .map(({ id, priority, aged }) => ({ taskId: id, priority: risen(priority, aged) }));

/** SQL: whether a task may begin now. */
export const IS_DUE = '(run_at IS NULL OR run_at <= now())';

/** SQL: how many levels of priority are above the task's own. */
export const LEVELS_ABOVE = `(array_position(ARRAY['critical', 'high', 'normal', 'low'], priority::text) - 1)`;

/** SQL: how many levels the task has risen by its age. @param step SQL of the time after which it rises by one, ms */
export const levelsRisen = (step: string): string =>
  `least(${LEVELS_ABOVE}, floor(extract(epoch FROM now() - ${WAITS_SINCE}) * 1000 / ${step}))::int`;
