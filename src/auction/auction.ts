import type { Candidate } from '../agents/index.js';
import { amountToDecimal, amountToWire } from '../common/money.js';
import { lacking } from '../common/permissions.js';
import type { AuctionConfig, AuctionWeights } from '../config/index.js';
import type { ExclusionDto, ExclusionReason, ScoreboardDto } from './scoreboard.dto.js';
import type { TaskError } from '../tasks/index.js';
import { Best } from './best.js';
import { OwnerLine } from './owner-line.js';
import { payments } from './payment.js';
import { type Ask, ask, isBusy, priceOf, roundTripMs } from './bidding.js';
import { type Bid, scoreBids, type Scoring } from './scoring.js';

/** A task, as its auction sees it. */
export interface AuctionRequest {
  requiredCapabilities: readonly string[];
  budgetMicro: bigint;
  /** The task's own weights, relative; null for the configured ones. */
  weights: AuctionWeights | null;
  inputBytes: number;
  /** In [0, 1), fixed for a task: decides whether the discovery seat's bid wins. */
  luck: number;
  /** Preferred region; null: any. */
  region: string | null;
  /** Whether only that region is allowed. */
  regionRequired: boolean;
  /** Kinds of permission that the task allows. */
  allow: readonly string[];
  /** Time one attempt has: its timeout, or what is left until the deadline. At least 1. */
  limitMs: number;
  /** Agents whose declared schema the input does not fit, with one sentence each. Unset: none. */
  misfits?: ReadonlyMap<string, string>;
}

/** A candidate with its price and promised duration for this task. */
export interface Bidder extends Candidate {
  /** What its owner is paid if it completes the task, before the market's fee. */
  priceMicro: bigint;
}

export interface Auction {
  /** Winner first, then the agents for failover in order. */
  ranking: Bidder[];
  scoreboard: ScoreboardDto;
  /** Why no bid won; null if one did. */
  failure: TaskError | null;
  /** No bid won because the possible winners are busy: another auction in a while may succeed. */
  worthWaiting: boolean;
  /** Agents that got a seat although not all could; empty if all could. */
  invited: string[];
}

const MAX_EXCLUSIONS_KEPT = 100;

/** Share of the auctions in which an agent that is rated too low gets the discovery seat, so that it can win votes again. */
const SECOND_CHANCE = 0.05;

/** Completed tasks that give half of the full reputation under `absolute`. */
const HALF_REPUTATION = 20;

/**
 * Holds an auction. Pure: equal candidates and rules always give equal scoreboards.
 *
 * ① candidates that are surely below the minimum rating, over the budget, too far away or busy are excluded, with the reason;
 * ② of the rest at most `maxAgents` are invited, at most `maxSeatsPerOwner` of one owner: the best matching and best
 *    rated, and one of the owner that waited longest;
 * ③ their bids are scored and ranked.
 *
 * Steps ① and ② read the candidates once, and keep only those with a seat or a place in the scoreboard.
 *
 * All rules of an auction are in this file, slightly longer than usual, so that they can be read in one go.
 */
export function holdAuction(candidates: Iterable<Candidate>, request: AuctionRequest, rules: AuctionConfig): Auction {
  const { seated, discovery, excluded, rotates } = invite(candidates, request, rules);
  const weights = request.weights ? normalised(request.weights) : rules.weights;
  const owners = [...new Set(seated.map(ownerOf))];
  const bids = seated.map((one) => toBid(one, one === discovery, owners.indexOf(ownerOf(one)) + 1));
  const explored = discovery !== null && request.luck < rules.exploration;
  const scoring = scoringFor(request, rules, explored);
  const { bounds, ranking } = scoreBids(bids, weights, scoring);
  const bidOf = new Map(bids.map((bid) => [bid.agentId, bid]));
  const paid = payments(
    ranking.map(({ agent_id }) => bidOf.get(agent_id) as Bid),
    { rule: rules.payment, budgetMicro: request.budgetMicro, weights, scoring, reach: reachOf(rules) },
  );
  for (const [index, micro] of paid.entries()) ranking[index].paid = micro === null ? null : amountToWire(micro);
  const competitive = ranking.length >= rules.minAgents;
  const byId = new Map(seated.map((contender) => [contender.candidate.agentId, contender]));
  const failure = failureOf(request, rules, excluded, ranking.length);
  return {
    ranking: ranking.map((bid, index) => toBidder(byId.get(bid.agent_id) as Contender, paid[index])),
    scoreboard: {
      strategy: scoring.strategy,
      weights,
      bounds,
      scale: scoring.strategy === 'absolute' ? scoring.scale : null,
      competitive,
      explored,
      bids: ranking,
      excluded: excluded.named.map((one) => presentExclusion(one, request, rules)),
      excluded_count: excluded.count,
      payment: { rule: rules.payment, most: amountToWire(request.budgetMicro) },
    },
    failure,
    worthWaiting: failure !== null && excluded.busy > 0,
    invited: rotates ? seated.map(({ candidate }) => candidate.agentId) : [],
  };
}

/** Candidates that could not bid. */
interface Exclusions {
  count: number;
  /** Number excluded because they have as many tasks as they accept. */
  busy: number;
  /** The first of them, up to a limit. */
  named: Excluded[];
  /** The lowest price over the budget; null if all were within it. */
  lowestPriceMicro: bigint | null;
  /** The first agent whose schema the input does not fit. */
  misfit: Candidate | null;
}

interface Excluded {
  candidate: Candidate;
  priceMicro: bigint;
  reason: ExclusionReason;
}

/**
 * Seats go by capability match, then rating, then experience, then price. An owner gets at most `maxSeatsPerOwner`, unless
 * no other owner's agent can bid. One seat is kept for the owner that waited longest for an invitation, so that a newcomer
 * gets its chance however many incumbents there are. In some auctions an agent that is rated too low gets that seat.
 */
function invite(candidates: Iterable<Candidate>, request: AuctionRequest, rules: AuctionConfig) {
  const excluded: Exclusions = { count: 0, busy: 0, named: [], lowestPriceMicro: null, misfit: null };
  // One more than there are seats shows whether there are enough.
  const best = new Best(rules.maxAgents + 1, byMerit);
  const passedOver = new Best(MAX_EXCLUSIONS_KEPT, byMerit);
  const line = new OwnerLine(byWaiting);
  const lowRated = new OwnerLine(byWaiting);
  const tooLowRated: Contender[] = [];
  const passOver = (contender: Contender): void => {
    passedOver.offer(contender);
    line.add(contender);
  };
  let eligible = 0;
  let soleOwner: string | null = null;
  const required = new Set(request.requiredCapabilities);
  const hasSecondChance = rules.discoverySeat && request.luck >= 1 - SECOND_CHANCE;
  for (const candidate of candidates) {
    const match = matchOf(candidate, required);
    if (match === 0) continue;
    const asked = ask(candidate.pricing, request.inputBytes, candidate.running);
    const obstacle = obstacleOf(candidate, asked, request);
    const tooLow = isRatedTooLow(candidate, rules);
    const mayTryAgain = tooLow && hasSecondChance && !obstacle;
    const reason = tooLow ? 'rating_too_low' : obstacle;
    if (reason && !mayTryAgain) {
      exclude(excluded, { candidate, priceMicro: asked.priceMicro, reason });
      continue;
    }
    const estimatedMs = candidate.estimatedMs + roundTripMs(rules.geo, request.region, candidate.region);
    const contender: Contender = { candidate, asked, estimatedMs, match };
    if (mayTryAgain) {
      lowRated.add(contender);
      tooLowRated.push(contender);
      continue;
    }
    eligible++;
    if (eligible === 1) soleOwner = candidate.ownerId;
    else if (soleOwner !== null && candidate.ownerId !== soleOwner) {
      soleOwner = null;
      best.limitGroups(ownerOf, rules.maxSeatsPerOwner).forEach(passOver);
    }
    const out = best.offer(contender);
    if (out) passOver(out);
  }

  const scarce = best.all.length > rules.maxAgents;
  const most = soleOwner === null ? rules.maxSeatsPerOwner : Infinity;
  const mostSeated = best.all.slice(0, rules.maxAgents - 1);
  const secondChance = lowRated.first(ownersWith(most, mostSeated));
  const isReserved = rules.discoverySeat && (scarce || secondChance !== null);
  const seated = isReserved ? mostSeated : best.all.slice(0, rules.maxAgents);
  const unseated = best.all.slice(seated.length);
  unseated.forEach((contender) => line.add(contender));
  const discovery = isReserved ? (secondChance ?? line.first(ownersWith(most, seated))) : null;
  if (discovery) seated.push(discovery);
  for (const contender of tooLowRated) {
    if (contender !== discovery) exclude(excluded, excludedFor('rating_too_low', contender));
  }
  const full = ownersWith(most, seated);
  for (const contender of [...unseated, ...passedOver.all].sort(byMerit)) {
    const reason = full.has(ownerOf(contender)) ? 'owner_seats' : 'no_seat';
    if (contender !== discovery) name(excluded, excludedFor(reason, contender));
  }
  const hasLowRated = discovery !== null && discovery === secondChance;
  excluded.count += eligible - seated.length + (hasLowRated ? 1 : 0);
  return { seated, discovery, excluded, rotates: scarce || hasLowRated };
}

const ownerOf = ({ candidate }: Contender): string => candidate.ownerId;

/** Owners that have `most` of the contenders. */
function ownersWith(most: number, contenders: readonly Contender[]): ReadonlySet<string> {
  const counts = new Map<string, number>();
  for (const owner of contenders.map(ownerOf)) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return new Set([...counts].filter(([, count]) => count >= most).map(([owner]) => owner));
}

interface Contender {
  candidate: Candidate;
  asked: Ask;
  /** Includes the way there and back. */
  estimatedMs: number;
  match: number;
}

const byMerit = (a: Contender, b: Contender): number =>
  b.match - a.match ||
  b.candidate.rating - a.candidate.rating ||
  b.candidate.tasksCompleted - a.candidate.tasksCompleted ||
  Number(a.asked.priceMicro - b.asked.priceMicro) ||
  (a.candidate.agentId < b.candidate.agentId ? -1 : 1);

const byWaiting = (a: Contender, b: Contender): number =>
  a.candidate.lastInvitedAt - b.candidate.lastInvitedAt || byMerit(a, b);

/** A few votes do not exclude an agent: those of distinct accounts must leave no doubt. */
const isRatedTooLow = ({ rating, highestRating }: Candidate, { minRating }: AuctionConfig): boolean =>
  rating < minRating && highestRating < minRating;

/** Why a candidate cannot do this task, whatever its rating. */
function obstacleOf(candidate: Candidate, asked: Ask, request: AuctionRequest): ExclusionReason | null {
  if (request.regionRequired && candidate.region !== request.region) return 'wrong_region';
  if (candidate.permissions && lacking(candidate.permissions, request.allow).length > 0) return 'not_allowed';
  if (request.misfits?.has(candidate.agentId)) return 'input_misfit';
  // An agent that is too expensive even without load is not worth waiting for.
  if (isBusy(candidate)) return priceOf({ ...asked, surge: 1 }) > request.budgetMicro ? 'over_budget' : 'busy';
  return asked.priceMicro > request.budgetMicro ? 'over_budget' : null;
}

const excludedFor = (reason: ExclusionReason, { candidate, asked: { priceMicro } }: Contender): Excluded => ({
  candidate,
  priceMicro,
  reason,
});

function exclude(excluded: Exclusions, one: Excluded): void {
  excluded.count++;
  name(excluded, one);
  if (one.reason === 'busy') excluded.busy++;
  if (one.reason === 'input_misfit') excluded.misfit ??= one.candidate;
  const { lowestPriceMicro } = excluded;
  if (one.reason === 'over_budget' && (lowestPriceMicro === null || one.priceMicro < lowestPriceMicro)) {
    excluded.lowestPriceMicro = one.priceMicro;
  }
}

function name({ named }: Exclusions, one: Excluded): void {
  if (named.length < MAX_EXCLUSIONS_KEPT) named.push(one);
}

const toBidder = ({ candidate, asked, estimatedMs }: Contender, paidMicro: bigint | null): Bidder => ({
  ...candidate,
  priceMicro: paidMicro ?? asked.priceMicro,
  estimatedMs,
});

const toBid = ({ candidate, asked, estimatedMs, match }: Contender, discovery: boolean, owner: number): Bid => ({
  agentId: candidate.agentId,
  agentName: candidate.name,
  version: candidate.version,
  ...asked,
  rating: candidate.rating,
  estimatedMs,
  tasksCompleted: candidate.tasksCompleted,
  capabilityMatch: match,
  discovery,
  owner,
});

/** Agents of one auction that may try a task. */
const reachOf = ({ enableFailover, maxFailoverAgents }: AuctionConfig): number =>
  enableFailover ? 1 + maxFailoverAgents : 1;

const scoringFor = (request: AuctionRequest, rules: AuctionConfig, explore: boolean): Scoring =>
  rules.scoring === 'minmax'
    ? { strategy: 'minmax', explore }
    : {
        strategy: 'absolute',
        explore,
        scale: {
          budget: amountToWire(request.budgetMicro),
          limit_ms: request.limitMs,
          half_reputation: HALF_REPUTATION,
        },
      };

/** In proportion to its own capabilities alone: there are many candidates. */
function matchOf({ capabilities }: Candidate, required: ReadonlySet<string>): number {
  if (required.size === 0) return 1;
  let offered = 0;
  for (const capability of capabilities) if (required.has(capability)) offered++;
  return offered / required.size;
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

const presentExclusion = (one: Excluded, request: AuctionRequest, rules: AuctionConfig): ExclusionDto => ({
  agent_id: one.candidate.agentId,
  agent_name: one.candidate.name,
  reason: one.reason,
  detail: EXCLUSION_DETAILS[one.reason](one, request, rules),
});

const EXCLUSION_DETAILS: Record<
  ExclusionReason,
  (excluded: Excluded, request: AuctionRequest, rules: AuctionConfig) => string
> = {
  rating_too_low: ({ candidate: { rating, raters } }, _, { minRating }) =>
    `Its rating ${rating.toFixed(2)}, by ${raters} accounts, is below ${minRating}.`,
  wrong_region: ({ candidate: { region } }, request) =>
    `It belongs ${region ? `to ${region}` : 'nowhere in particular'}, the task to ${request.region}.`,
  not_allowed: ({ candidate: { permissions } }, { allow }) =>
    `It needs ${lacking(permissions, allow).join(', ')}, which the task does not allow.`,
  over_budget: ({ priceMicro }, { budgetMicro }) =>
    `It asks ${amountToDecimal(priceMicro)}, the budget is ${amountToDecimal(budgetMicro)}.`,
  busy: () => 'It has as many tasks as it takes on at once.',
  input_misfit: ({ candidate }, { misfits }) => misfits?.get(candidate.agentId) ?? '',
  no_seat: (_excluded, _request, { maxAgents }) => `Only ${maxAgents} agents are invited.`,
  owner_seats: (_excluded, _request, { maxSeatsPerOwner }) =>
    `Other agents of its owner have the ${maxSeatsPerOwner} ${maxSeatsPerOwner === 1 ? 'seat' : 'seats'} that one owner can have.`,
};

function failureOf(
  request: AuctionRequest,
  rules: AuctionConfig,
  excluded: Exclusions,
  bids: number,
): TaskError | null {
  if (bids >= rules.minAgents || (bids > 0 && !rules.requireCompetition)) return null;
  if (bids > 0) {
    const message = `Only ${bids} of at least ${rules.minAgents} agents bid, and competition is required.`;
    return { code: 'NOT_COMPETITIVE', message };
  }
  if (excluded.busy > 0) {
    return { code: 'AGENTS_BUSY', message: 'Every agent that could do this has as many tasks as it takes on at once.' };
  }
  if (excluded.lowestPriceMicro !== null) {
    const message = `The lowest bid is ${amountToDecimal(excluded.lowestPriceMicro)}: raise the budget.`;
    return { code: 'BUDGET_TOO_LOW', message };
  }
  const needed = new Set(
    excluded.named
      .filter(({ reason }) => reason === 'not_allowed')
      .flatMap(({ candidate }) => lacking(candidate.permissions, request.allow)),
  );
  if (needed.size > 0) {
    const message = `The agents that could do this need ${[...needed].join(', ')}: name it in the task's allow.`;
    return { code: 'PERMISSIONS_NEEDED', message };
  }
  if (excluded.misfit) {
    const detail = request.misfits?.get(excluded.misfit.agentId);
    return { code: 'INPUT_REFUSED', message: `No agent takes this input. ${excluded.misfit.name}: ${detail}` };
  }
  if (excluded.count > 0) {
    const reasons = request.regionRequired ? `rated too low or outside ${request.region}` : 'rated too low';
    return { code: 'NO_ELIGIBLE_AGENT', message: `Every agent that could do this is ${reasons}.` };
  }
  const wanted = request.requiredCapabilities.join(', ') || 'anything';
  return { code: 'NO_AGENT_AVAILABLE', message: `No active agent offers ${wanted}.` };
}
