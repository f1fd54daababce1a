import type { AuctionWeights, PaymentRule } from '../config/index.js';
import { type Bid, scoreBids, type Scoring } from './scoring.js';

/** What decides payments besides the bids. */
export interface PaymentTerms {
  rule: PaymentRule;
  budgetMicro: bigint;
  weights: AuctionWeights;
  scoring: Scoring;
  /** Bids that can do the task: the winner and those that failover may reach. */
  reach: number;
}

/**
 * What each agent is paid if it completes the task, micro-credits; null beyond the reach of failover. Never below its ask,
 * never above the budget.
 *
 * `ask`: what it asks. `second_score`: the highest price at which it would still have come before each bid of another owner
 * behind it. Bids before it have failed by then, and bids of its own owner do not count, so they cannot raise the price.
 * Nothing is paid beyond the ask without a bid of another owner, or for a win by exploration, which no price decides.
 *
 * @param bids best first
 */
export const payments = (bids: readonly Bid[], terms: PaymentTerms): (bigint | null)[] =>
  bids.map((bid, index) => (index < terms.reach ? paymentOf(bid, bids.slice(index + 1), terms) : null));

function paymentOf(bid: Bid, behind: readonly Bid[], { rule, budgetMicro, weights, scoring }: PaymentTerms): bigint {
  const rivals = behind.filter(({ owner }) => owner !== bid.owner);
  const explored = scoring.explore && bid.discovery;
  if (rule === 'ask' || rivals.length === 0 || explored || budgetMicro <= bid.priceMicro) return bid.priceMicro;
  const contest = { ...scoring, explore: false };
  // Under `absolute` a bid scores the same whatever the others are, so one rival stands for all.
  const against = scoring.strategy === 'absolute' ? [bestOf(rivals, weights, contest)] : rivals;
  const wins = (priceMicro: bigint): boolean =>
    scoreBids([{ ...bid, priceMicro }, ...against], weights, contest).ranking[0].agent_id === bid.agentId;
  if (!wins(bid.priceMicro)) return bid.priceMicro;
  if (wins(budgetMicro)) return budgetMicro;
  let [winning, losing] = [bid.priceMicro, budgetMicro];
  while (losing - winning > 1n) {
    const middle = (winning + losing) / 2n;
    if (wins(middle)) winning = middle;
    else losing = middle;
  }
  return winning;
}

function bestOf(bids: readonly Bid[], weights: AuctionWeights, scoring: Scoring): Bid {
  const { agent_id } = scoreBids(bids, weights, scoring).ranking[0];
  return bids.find(({ agentId }) => agentId === agent_id) as Bid;
}
