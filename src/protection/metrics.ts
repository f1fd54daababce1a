import { counters } from '../observability/index.js';

/** Counted but not logged one by one: a flood would fill the log too. */
export const floodRefusals = counters(
  'flood_refusals_total',
  'Refused before anything was looked at: connections past what the server (full) or one address (connections) may hold, ' +
    'of an address that is cut off (cut_off); requests answered 429 for the flood they belong to (requests).',
  { reason: ['full', 'connections', 'cut_off', 'requests'] },
);
