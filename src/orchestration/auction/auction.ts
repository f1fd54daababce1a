import type { Candidate } from '../../agents/index.js';
import { amountToDecimal, amountToWire } from '../../common/money.js';
import type { AuctionConfig, AuctionWeights } from '../../config/index.js';
import type { ExclusionDto, ExclusionReason, ScoreboardDto, TaskError } from '../../tasks/index.js';
import { type Bid, scoreBids, type Scoring } from './scoring.js';

/** What a task brings to its auction. */
export interface AuctionRequest {
  requiredCapabilities: readonly string[];
  budgetMicro: bigint;
  /** The task's own weights, relative; null for the configured ones. */
  weights: AuctionWeights | null;
  /** Time one attempt has: its timeout, or what is left until the deadline. At least 1. */
  limitMs: number;
}

export interface Auction {
  /** Winner first, then who takes over when it fails. */
  ranking: Candidate[];
  scoreboard: ScoreboardDto;
  /** Why nobody won; null when somebody did. */
  failure: TaskError | null;
  /** Agents that had a seat although not everyone could have one; empty when everyone could. */
  invited: string[];
}

const MAX_EXCLUSIONS_KEPT = 100;

/** Completed tasks that are worth half of the full reputation under `absolute`. */
const HALF_REPUTATION = 20;

/**
 * Holds an auction. Pure: the same candidates and rules always give the same scoreboard.
 *
 * ① candidates below the minimum rating or over the budget are excluded, with the reason;
 * ② of the rest at most `maxAgents` are invited: the best matching and best rated, and the one that waited longest;
 * ③ their bids are scored and ranked.
 */
export function holdAuction(candidates: readonly Candidate[], request: AuctionRequest, rules: AuctionConfig): Auction {
  const excluded: Exclusion[] = [];
  const eligible = candidates.filter((candidate) => {
    const exclusion = exclusionOf(candidate, request, rules);
    if (exclusion) excluded.push(exclusion);
    return !exclusion;
  });
  const { seated, discovery, unseated } = assignSeats(eligible, request, rules);
  for (const candidate of unseated) {
    excluded.push({ candidate, reason: 'no_seat', detail: `Only ${rules.maxAgents} agents are invited.` });
  }

  const weights = request.weights ? normalised(request.weights) : rules.weights;
  const bids = seated.map((candidate) => toBid(candidate, request, candidate === discovery));
  const scoring = scoringFor(request, rules);
  const { bounds, ranking } = scoreBids(bids, weights, scoring);
  const competitive = ranking.length >= rules.minAgents;
  const byId = new Map(seated.map((candidate) => [candidate.agentId, candidate]));
  return {
    ranking: ranking.map((bid) => byId.get(bid.agent_id) as Candidate),
    scoreboard: {
      strategy: scoring.strategy,
      weights,
      bounds,
      scale: scoring.strategy === 'absolute' ? scoring.scale : null,
      competitive,
      bids: ranking,
      excluded: excluded.slice(0, MAX_EXCLUSIONS_KEPT).map(presentExclusion),
      excluded_count: excluded.length,
    },
    failure: failureOf(request, rules, excluded, ranking.length),
    invited: unseated.length > 0 ? seated.map((candidate) => candidate.agentId) : [],
  };
}

interface Exclusion {
  candidate: Candidate;
  reason: ExclusionReason;
  detail: string;
}

function exclusionOf(candidate: Candidate, request: AuctionRequest, rules: AuctionConfig): Exclusion | null {
  if (candidate.rating < rules.minRating) {
    const detail = `Its rating ${candidate.rating.toFixed(2)} is below ${rules.minRating}.`;
    return { candidate, reason: 'rating_too_low', detail };
  }
  if (candidate.priceMicro > request.budgetMicro) {
    const detail = `It asks ${amountToDecimal(candidate.priceMicro)}, the budget is ${amountToDecimal(request.budgetMicro)}.`;
    return { candidate, reason: 'over_budget', detail };
  }
  return null;
}

/**
 * Seats go by capability match, then rating, then experience, then price. One is kept for the agent that waited longest
 * for an invitation, so that a newcomer gets its chance however many incumbents there are.
 */
function assignSeats(eligible: Candidate[], request: AuctionRequest, rules: AuctionConfig) {
  if (eligible.length <= rules.maxAgents) return { seated: eligible, discovery: null, unseated: [] };
  const byMerit = eligible
    .map((candidate) => ({ candidate, match: matchOf(candidate, request) }))
    .sort(
      (a, b) =>
        b.match - a.match ||
        b.candidate.rating - a.candidate.rating ||
        b.candidate.tasksCompleted - a.candidate.tasksCompleted ||
        Number(a.candidate.priceMicro - b.candidate.priceMicro) ||
        (a.candidate.agentId < b.candidate.agentId ? -1 : 1),
    )
    .map(({ candidate }) => candidate);
  if (!rules.discoverySeat) {
    return { seated: byMerit.slice(0, rules.maxAgents), discovery: null, unseated: byMerit.slice(rules.maxAgents) };
  }
  const seats = rules.maxAgents - 1;
  const waiting = byMerit.slice(seats);
  const discovery = waiting.reduce((longest, one) => (one.lastInvitedAt < longest.lastInvitedAt ? one : longest));
  return {
    seated: [...byMerit.slice(0, seats), discovery],
    discovery,
    unseated: waiting.filter((candidate) => candidate !== discovery),
  };
}

const toBid = (candidate: Candidate, request: AuctionRequest, discovery: boolean): Bid => ({
  agentId: candidate.agentId,
  agentName: candidate.name,
  version: candidate.version,
  priceMicro: candidate.priceMicro,
  rating: candidate.rating,
  estimatedMs: candidate.estimatedMs,
  tasksCompleted: candidate.tasksCompleted,
  capabilityMatch: matchOf(candidate, request),
  discovery,
});

const scoringFor = (request: AuctionRequest, rules: AuctionConfig): Scoring =>
  rules.scoring === 'minmax'
    ? { strategy: 'minmax' }
    : {
        strategy: 'absolute',
        scale: {
          budget: amountToWire(request.budgetMicro),
          limit_ms: request.limitMs,
          half_reputation: HALF_REPUTATION,
        },
      };

function matchOf(candidate: Candidate, { requiredCapabilities }: AuctionRequest): number {
  if (requiredCapabilities.length === 0) return 1;
  const offered = requiredCapabilities.filter((capability) => candidate.capabilities.has(capability));
  return offered.length / requiredCapabilities.length;
}

function normalised(weights: AuctionWeights): AuctionWeights {
  const sum = weights.price + weights.quality + weights.speed + weights.reputation;
  return {
    price: weights.price / sum,
    quality: weights.quality / sum,
    speed: weights.speed / sum,
    reputation: weights.reputation / sum,
  };
}

const presentExclusion = ({ candidate, reason, detail }: Exclusion): ExclusionDto => ({
  agent_id: candidate.agentId,
  agent_name: candidate.name,
  reason,
  detail,
});

function failureOf(
  request: AuctionRequest,
  rules: AuctionConfig,
  excluded: Exclusion[],
  bids: number,
): TaskError | null {
  if (bids >= rules.minAgents || (bids > 0 && !rules.requireCompetition)) return null;
  if (bids > 0) {
    const message = `Only ${bids} of at least ${rules.minAgents} agents bid, and competition is required.`;
    return { code: 'NOT_COMPETITIVE', message };
  }
  const overBudget = excluded.filter((exclusion) => exclusion.reason === 'over_budget');
  if (overBudget.length > 0) {
    const prices = overBudget.map((exclusion) => exclusion.candidate.priceMicro);
    const lowest = prices.reduce((a, b) => (a < b ? a : b));
    return { code: 'BUDGET_TOO_LOW', message: `The lowest bid is ${amountToDecimal(lowest)}: raise the budget.` };
  }
  if (excluded.length > 0) {
    return { code: 'NO_ELIGIBLE_AGENT', message: 'Every agent that could do this is rated too low.' };
  }
  const wanted = request.requiredCapabilities.join(', ') || 'anything';
  return { code: 'NO_AGENT_AVAILABLE', message: `No active agent offers ${wanted}.` };
}
