import { counter, histogram, SLOW_SECONDS } from '../observability/index.js';

const COUNTS = [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000];

export const auctions = counter(
  'auctions_total',
  'Auctions held: with enough bids to be competitive or not, awarded or not.',
  ['competitive', 'awarded'],
);
export const auctionDuration = histogram(
  'auction_duration_seconds',
  'Time of one auction, finding candidates included.',
);
export const auctionCandidates = histogram('auction_candidates', 'Agents considered for one auction.', [], COUNTS);
export const auctionBids = histogram('auction_bids', 'Bids scored in one auction.', [], COUNTS);

export const attempts = counter('attempts_total', 'Attempts that have ended here, by outcome.', ['outcome']);
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

export const sweeperFinds = counter(
  'sweeper_finds_total',
  'Tasks the sweeper did something about: past their deadline (expired), risen with age, lost by queue or worker (abandoned).',
  ['kind'],
);
