import { RUN_ENDS } from '../execution/index.js';
import { counter, counters, histogram, SLOW_SECONDS } from '../observability/index.js';

const COUNTS = [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000];

export const auctions = counters(
  'auctions_total',
  'Auctions held: with enough bids to be competitive or not, awarded or not.',
  { competitive: ['true', 'false'], awarded: ['true', 'false'] },
);
export const auctionDuration = histogram(
  'auction_duration_seconds',
  'Time of one auction, finding candidates included.',
);
export const auctionCandidates = histogram('auction_candidates', 'Agents considered for one auction.', [], COUNTS);
export const auctionBids = histogram('auction_bids', 'Bids scored in one auction.', [], COUNTS);

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

export const sweeperFinds = counters(
  'sweeper_finds_total',
  'Tasks the sweeper did something about: past their deadline (expired), risen with age, lost by queue or worker (lost).',
  { kind: ['expired', 'risen', 'lost'] },
);
