import { RUN_ENDS } from '../execution/index.js';
import { counter, counters, histogram, SLOW_SECONDS } from '../observability/index.js';

export const jobs = counters(
  'jobs_total',
  "Tasks taken from the queue: done with, handed back to it, or broken off by a fault of the server's.",
  { outcome: ['done', 'handed_back', 'fault'] },
);

/** Outcomes of an attempt beside the ends of a run. A binary's fault adds its storage code in lower case. */
const ATTEMPT_ENDS = ['superseded', 'unrunnable', 'stopped', 'fault'];

export const attempts = counters('attempts_total', 'Attempts that have ended here, by outcome.', {
  outcome: [...RUN_ENDS, ...ATTEMPT_ENDS] as readonly string[],
});
export const attemptDuration = histogram(
  'attempt_duration_seconds',
  'Time of one attempt, the wait for a sandbox included.',
  [],
  SLOW_SECONDS,
);

export const lateResults = counter(
  'late_results_total',
  'Results that were dropped: their task had ended, or another attempt had begun.',
);
