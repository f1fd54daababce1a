import { isDeepStrictEqual } from 'node:util';
import { amountFromWire, amountToDecimal, amountToWire } from '../common/money.js';
import type { ScoreboardDto, ScoredBidDto } from './scoreboard.dto.js';
import type { CounterfactualDto, ExplainedAuctionDto, VerificationDto } from './explanation.dto.js';
import { priceOf } from './bidding.js';
import { type Bid, scoreBids, type Scoring, weightedTerms } from './scoring.js';

/** A stored scoreboard with its explanation: the weighted terms, and what the runner-up needed to win. Pure. */
export const explain = (board: ScoreboardDto): ExplainedAuctionDto => ({
  ...board,
  bids: board.bids.map(({ base_price: _base, input_price: _input, surge: _surge, ...bid }) => ({
    ...bid,
    weighted: weightedTerms(bid.terms, board.weights, bid.capability_match),
  })),
  counterfactual: counterfactual(board),
});

/**
 * Scores the stored inputs again and compares prices, bounds, terms, totals and ranks, to the last bit. It detects a
 * single altered figure, but not one altered together with everything that follows from it.
 */
export function verify(board: ScoreboardDto): VerificationDto {
  const { bounds, ranking } = scoreBids(board.bids.map(toBid), board.weights, scoringOf(board));
  const differences: string[] = [];
  if (!isDeepStrictEqual(bounds, board.bounds)) {
    differences.push(
      `The bounds are stored as ${JSON.stringify(board.bounds)}, but follow as ${JSON.stringify(bounds)}.`,
    );
  }
  for (const [index, stored] of board.bids.entries()) {
    const price = amountToWire(priceOf(toBid(stored)));
    if (price !== stored.price) {
      const of = `bid ${index + 1}, of ${stored.agent_name},`;
      differences.push(`The price of ${of} is stored as ${stored.price}, but follows as ${price}.`);
    }
    const again = ranking.find(({ agent_id }) => agent_id === stored.agent_id) as ScoredBidDto;
    for (const figure of ['rank', 'terms', 'total'] as const) {
      if (isDeepStrictEqual(again[figure], stored[figure])) continue;
      const [was, is] = [stored[figure], again[figure]].map((value) => JSON.stringify(value));
      differences.push(
        `The ${figure} of bid ${index + 1}, of ${stored.agent_name}, is stored as ${was}, but follows as ${is}.`,
      );
    }
  }
  return { matches: differences.length === 0, differences };
}

/**
 * The highest price at which the runner-up wins when all bids are scored again. A lower price never lowers a rank, so
 * bisection finds it, to the micro-credit.
 */
function counterfactual(board: ScoreboardDto): CounterfactualDto | null {
  if (board.bids.length < 2) return null;
  const bids = board.bids.map(toBid);
  const runnerUp = bids[1];
  const wins = (priceMicro: bigint): boolean =>
    scoreBids(
      bids.map((bid) => (bid === runnerUp ? { ...bid, priceMicro } : bid)),
      board.weights,
      scoringOf(board),
    ).ranking[0].agent_id === runnerUp.agentId;
  const about = { agent_id: runnerUp.agentId, agent_name: runnerUp.agentName };
  if (!wins(0n)) {
    return { ...about, wins_at_price: null, detail: `The runner-up, ${runnerUp.agentName}, wins at no price.` };
  }
  let [winning, losing] = [0n, runnerUp.priceMicro];
  while (losing - winning > 1n) {
    const middle = (winning + losing) / 2n;
    if (wins(middle)) winning = middle;
    else losing = middle;
  }
  return {
    ...about,
    wins_at_price: amountToWire(winning),
    detail: `The runner-up, ${runnerUp.agentName}, wins at a price of ${amountToDecimal(winning)} or less.`,
  };
}

/** Scoreboards from before strategies existed name none. */
const scoringOf = ({ strategy, scale, explored = false }: ScoreboardDto): Scoring =>
  strategy === 'absolute' && scale ? { strategy, scale, explore: explored } : { strategy: 'minmax', explore: explored };

const toBid = (bid: ScoredBidDto): Bid => ({
  agentId: bid.agent_id,
  agentName: bid.agent_name,
  version: bid.version,
  priceMicro: amountFromWire(bid.price),
  // Scoreboards from before price policies name only the price.
  baseMicro: amountFromWire(bid.base_price ?? bid.price),
  inputMicro: amountFromWire(bid.input_price ?? 0),
  surge: bid.surge ?? 1,
  rating: bid.rating,
  estimatedMs: bid.estimated_ms,
  tasksCompleted: bid.tasks_completed,
  capabilityMatch: bid.capability_match,
  discovery: bid.discovery,
});
