import { isDeepStrictEqual } from 'node:util';
import { amountFromWire, amountToDecimal, amountToWire } from '../common/money.js';
import type { ScoreboardDto, ScoredBidDto } from './scoreboard.dto.js';
import type { CounterfactualDto, ExplainedAuctionDto, VerificationDto } from './explanation.dto.js';
import { priceOf } from './bidding.js';
import { payments } from './payment.js';
import { type Bid, scoreBids, type Scoring, weightedTerms } from './scoring.js';

/** A stored scoreboard with its explanation: the weighted terms, and what the runner-up needed to win. Pure. */
export const explain = (board: ScoreboardDto): ExplainedAuctionDto => ({
  ...board,
  payment: board.payment ?? null,
  bids: board.bids.map(({ base_price: _base, input_price: _input, surge: _surge, ...bid }, index) => ({
    ...bid,
    owner: bid.owner ?? index + 1,
    paid: bid.paid === undefined ? bid.price : bid.paid,
    weighted: weightedTerms(bid.terms, board.weights, bid.capability_match),
    paid_because: reasonOfPayment(board, index),
  })),
  counterfactual: counterfactual(board),
});

/**
 * Scores the stored inputs again and compares prices, bounds, terms, totals and ranks, to the last bit. It detects a
 * single altered figure, but not one altered together with everything that follows from it.
 */
export function verify(board: ScoreboardDto): VerificationDto {
  const { bounds, ranking } = scoreBids(board.bids.map(toBid), board.weights, scoringOf(board));
  const differences: string[] = paymentDifferences(board);
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

/** What is paid, computed again from the stored bids in their stored order. */
function paymentDifferences(board: ScoreboardDto): string[] {
  if (!board.payment) return [];
  const { rule, most } = board.payment;
  const reach = board.bids.filter(({ paid }) => paid !== null).length;
  const terms = { rule, budgetMicro: amountFromWire(most), weights: board.weights, scoring: scoringOf(board), reach };
  const again = payments(board.bids.map(toBid), terms);
  return board.bids.flatMap(({ paid, agent_name }, index) => {
    const follows = again[index] === null ? null : amountToWire(again[index]);
    if (follows === paid) return [];
    return `The payment of bid ${index + 1}, of ${agent_name}, is stored as ${paid}, but follows as ${follows}.`;
  });
}

function reasonOfPayment({ payment, bids, explored }: ScoreboardDto, index: number): string | null {
  const { price, paid, owner, discovery } = bids[index];
  if (paid === null) return null;
  if (payment?.rule !== 'second_score') return 'It is paid what it asks.';
  const rival = bids.slice(index + 1).find((bid) => bid.owner !== owner);
  if (explored && discovery) return 'It was chosen by exploration, whatever its price, so it is paid what it asks.';
  if (!rival) return 'No other owner bids behind it, so it is paid what it asks.';
  if (paid >= payment.most) return `It would have come before ${rival.agent_name} at any price within the budget.`;
  return `It asks ${price}. Up to ${paid} it would still have come before the bids of other owners, first ${rival.agent_name}.`;
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
  // Scoreboards from before payment rules name no owners.
  owner: bid.owner ?? 0,
});
