import { counters, histogram } from '../observability/index.js';

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
