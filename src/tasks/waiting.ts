/** SQL: since when a task could have begun. */
export const WAITS_SINCE = 'greatest(tasks.created_at, run_at, retried_at)';

/** SQL: whether a task may begin now. */
export const IS_DUE = '(run_at IS NULL OR run_at <= now())';
