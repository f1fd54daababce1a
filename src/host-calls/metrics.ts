import { histogram, SLOW_SECONDS } from '../observability/index.js';

export const callDuration = histogram(
  'host_call_duration_seconds',
  'Time of one host call of an agent, by method and outcome (ok or error).',
  ['method', 'outcome'],
  SLOW_SECONDS,
);
