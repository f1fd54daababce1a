import type { Candidate } from '../../src/agents/index.js';
import { estimateDurationMs, nextEstimateRatio, nextP80, smoothedRating } from '../../src/agents/statistics.js';
import { type AuctionRequest, holdAuction } from '../../src/auction/auction.js';
import { chargeOf } from '../../src/ledger/charge.js';
import { type AuctionConfig, parseEnvironment } from '../../src/config/index.js';
import type { Bench, Report } from '../bench.js';
import { gaussian, mulberry32 } from '../support/luck.js';
import type { Figure } from '../support/statistics.js';

const ROUNDS = 1000;
const RIVALS = 11;
const SUBMITTERS = 30;
const RATED = 0.3;
const BUDGET = 1_000_000n;
/** What the market keeps of each price, millionths. */
const FEE = 50_000n;
const IDENTITIES = 10;
/** Tasks that a self-dealer submits before the first round. */
const BOUGHT_TASKS = 50;

/** How the one owner that is watched plays. All others ask their cost. */
interface Strategy {
  name: string;
  /** Asked, as a multiple of the cost. */
  markup?: number;
  agents?: number;
  declaredMs?: number;
  /** Submits tasks to its own agent and rates them best: as its owner, or by accounts that it opened in a burst. */
  buys?: 'as owner' | 'by accounts';
}

const HONEST: Strategy = { name: 'honest' };
const STRATEGIES: Strategy[] = [
  { name: 'asks a half more than its cost', markup: 1.5 },
  { name: 'asks a fifth less than its cost', markup: 0.8 },
  { name: `${IDENTITIES} identities`, agents: IDENTITIES },
  { name: `rates ${BOUGHT_TASKS} own tasks`, buys: 'as owner' },
  { name: `buys ${BOUGHT_TASKS} tasks and votes by a burst of accounts`, buys: 'by accounts' },
  { name: 'declares 1 ms', declaredMs: 1 },
];

/**
 * One owner among twelve plays a strategy, and plays the same market once more honestly: it asks its cost and has one agent.
 * Costs, qualities and luck are the same in both. What it earns beyond its costs is compared after 1,000 tasks.
 */
export async function strategies(bench: Bench): Promise<Report> {
  const figures: Figure[] = [];
  const seeds = Array.from({ length: bench.scale.rounds * 10 }, (_, index) => index + 1);
  for (const market of [
    { name: 'second score, absolute', payment: 'second_score', scoring: 'absolute' },
    { name: 'ask, minmax', payment: 'ask', scoring: 'minmax' },
  ] as const) {
    const rules: AuctionConfig = { ...parseEnvironment({}).auction, ...market };
    const honest = seeds.map((seed) => play(seed, HONEST, rules));
    const figure = (name: string, unit: Figure['unit'], ours: number[]): void =>
      void figures.push({ suite: 'strategies', backend: '', name: `${market.name}: ${name}`, unit, ours });
    figure('honest, profit', 'credits', honest);
    for (const strategy of STRATEGIES) {
      const profits = seeds.map((seed) => play(seed, strategy, rules));
      figure(
        `${strategy.name}, profit beyond the honest one`,
        'credits',
        profits.map((profit, at) => profit - honest[at]),
      );
      const better = profits.filter((profit, at) => profit > honest[at] + 1e-6).length;
      figure(`${strategy.name}, markets where it earns more`, '%', [(100 * better) / seeds.length]);
    }
  }
  return { figures, costs: [] };
}

/** What an agent really is, and what the market has seen of it. */
interface Player {
  candidate: Candidate;
  costMicro: bigint;
  quality: number;
  durationMs: number;
  reliability: number;
  declaredMs: number;
  /** The newest vote of each account. */
  votes: Map<string, number>;
  p80: number | null;
  ratio: number | null;
}

const REQUEST: AuctionRequest = {
  requiredCapabilities: [],
  budgetMicro: BUDGET,
  weights: null,
  inputBytes: 0,
  luck: 0.5,
  region: null,
  regionRequired: false,
  allow: [],
  limitMs: 5000,
};

/** @returns what the watched owner has earned beyond its costs, credits */
function play(seed: number, strategy: Strategy, rules: AuctionConfig): number {
  const random = mulberry32(seed);
  const traits = Array.from({ length: 1 + RIVALS }, () => drawTraits(random));
  const watched = Array.from({ length: strategy.agents ?? 1 }, (_, index) =>
    createPlayer(`watched-${index}`, 'watched', traits[0], strategy),
  );
  const rivals = traits.slice(1).map((trait, index) => createPlayer(`rival-${index}`, `rival-${index}`, trait, HONEST));
  const players = [...watched, ...rivals];
  const byId = new Map(players.map((player) => [player.candidate.agentId, player]));
  let profitMicro = strategy.buys ? -buyReputation(watched[0], strategy.buys, rules) : 0n;
  for (let round = 0; round < ROUNDS; round++) {
    const luck = { submitter: Math.floor(random() * SUBMITTERS), succeeds: random(), duration: gaussian(random) };
    const verdict = { rates: random(), rating: gaussian(random), exploration: random() };
    const request = { ...REQUEST, luck: verdict.exploration };
    const { ranking, invited } = holdAuction(
      players.map(({ candidate }) => candidate),
      request,
      rules,
    );
    for (const id of invited) (byId.get(id) as Player).candidate.lastInvitedAt = round + 1;
    const winner = byId.get(ranking[0].agentId) as Player;
    const { completed } = finish(winner, luck, rules);
    const vote = completed ? Math.min(5, Math.max(1, Math.round(winner.quality + 0.7 * verdict.rating))) : 1;
    if (verdict.rates < RATED) rate(winner, `submitter-${luck.submitter}`, vote, rules);
    if (winner.candidate.ownerId !== 'watched') continue;
    // A run that fails costs its owner as much as one that completes.
    const { ownerMicro } = chargeOf({ priceMicro: ranking[0].priceMicro, budgetMicro: BUDGET }, FEE);
    profitMicro += (completed ? ownerMicro : 0n) - winner.costMicro;
  }
  return Number(profitMicro) / 1e6;
}

const drawTraits = (random: () => number) => {
  const quality = 2.5 + 2.5 * random();
  const cost = 0.05 + 0.5 * random() * (quality / 5);
  return { quality, cost, durationMs: 50 * Math.exp(3 * random()), reliability: 0.9 + 0.1 * random() };
};

function createPlayer(
  agentId: string,
  ownerId: string,
  { quality, cost, durationMs, reliability }: ReturnType<typeof drawTraits>,
  { markup = 1, declaredMs = Math.round(durationMs) }: Strategy,
): Player {
  const costMicro = BigInt(Math.round(1e6 * cost));
  // Honest owners ask what they need to get their cost, fee and failed runs included.
  const asked = (Number(costMicro) / (1 - Number(FEE) / 1e6) / reliability) * markup;
  return {
    ...{ costMicro, quality, durationMs, reliability, declaredMs },
    votes: new Map(),
    p80: null,
    ratio: null,
    candidate: {
      ...{ agentId, ownerId, name: agentId, revision: '1', capabilities: [], running: 0, region: null },
      pricing: { baseMicro: BigInt(Math.ceil(asked)), perKbMicro: 0n, surge: 1, maxConcurrency: null },
      ...{ rating: 3.5, highestRating: 5, raters: 0, tasksCompleted: 0, lastInvitedAt: 0 },
      estimatedMs: Math.max(declaredMs, 1000),
      ...{ version: '1.0.0', sha256: '', storageRef: '', limits: null, contract: null, permissions: null },
    },
  };
}

/** Runs a task, and lets the market see what it sees. */
function finish(player: Player, luck: { succeeds: number; duration: number }, { estimates }: AuctionConfig) {
  const completed = luck.succeeds < player.reliability;
  if (!completed) return { completed };
  const { candidate } = player;
  const durationMs = player.durationMs * Math.exp(0.2 * luck.duration);
  player.p80 = nextP80(player.p80, durationMs);
  player.ratio = nextEstimateRatio(player.ratio, durationMs, candidate.estimatedMs);
  candidate.tasksCompleted++;
  const { tasksCompleted } = candidate;
  const seen = {
    tasksCompleted,
    durationP80Ms: player.p80,
    estimateRatio: player.ratio,
    declaredMs: player.declaredMs,
  };
  candidate.estimatedMs = estimateDurationMs(seen, estimates);
  return { completed };
}

function rate({ votes, candidate }: Player, account: string, vote: number, rules: AuctionConfig): void {
  votes.set(account, vote);
  const sum = [...votes.values()].reduce((all, one) => all + one, 0);
  const prior = { mean: rules.ratingPriorMean, weight: rules.ratingPriorWeight };
  candidate.rating = smoothedRating(sum, votes.size, prior);
  candidate.raters = votes.size;
}

/** @returns what it costs, micro-credits: the runs, and the market's fee on what the owner pays itself */
function buyReputation(player: Player, buys: NonNullable<Strategy['buys']>, rules: AuctionConfig): bigint {
  const fee = chargeOf({ priceMicro: player.candidate.pricing.baseMicro, budgetMicro: BUDGET }, FEE).feeMicro;
  // Tasks of the owner itself change no statistics. Accounts of a burst are one rater.
  for (let task = 0; task < BOUGHT_TASKS && buys === 'by accounts'; task++) {
    finish(player, { succeeds: 0, duration: 0 }, rules);
    rate(player, 'bought', 5, rules);
  }
  return BigInt(BOUGHT_TASKS) * (player.costMicro + fee);
}
