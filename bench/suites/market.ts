import type { Candidate } from '../../src/agents/index.js';
import { highestRating, nextP80, smoothedRating } from '../../src/agents/statistics.js';
import { type AuctionConfig, parseEnvironment } from '../../src/config/index.js';
import { type AuctionRequest, holdAuction } from '../../src/auction/auction.js';
import type { Bench, Report } from '../bench.js';
import { gaussian, mulberry32 } from '../support/luck.js';
import type { Figure } from '../support/statistics.js';

const ROUNDS = 1000;
const AGENTS = 50;
/** Enter the market half-way. */
const NEWCOMERS = 5;
const LATE = 200;
/** Share of the tasks that their submitters rate. */
const RATED = 0.3;

/**
 * A market of 50 agents whose quality, speed and reliability nobody knows: 1,000 tasks are auctioned, the winner does as
 * well as it really is, and the next auction knows what the server has seen. The five newcomers of round 500 are among the
 * best there are. Everything but the auction itself is played; every strategy sees the same agents and the same luck.
 *
 * *Loss* is how much less an award was worth than the best agent's would have been, as a share of it: worth is what the
 * default weights say of the agent's real price, quality, speed and success. Choosing by lot is the peer.
 */
export async function market(bench: Bench): Promise<Report> {
  const figures: Figure[] = [];
  const markets = [
    { name: 'minmax', scoring: 'minmax' },
    { name: 'absolute', scoring: 'absolute' },
    { name: 'minmax, exploring 5 %', scoring: 'minmax', exploration: 0.05 },
    { name: 'absolute, exploring 5 %', scoring: 'absolute', exploration: 0.05 },
    { name: 'minmax, no discovery seat', scoring: 'minmax', discoverySeat: false },
    { name: 'absolute, no discovery seat', scoring: 'absolute', discoverySeat: false },
  ] as const;
  const seeds = Array.from({ length: bench.scale.rounds * 10 }, (_, index) => index + 1);
  for (const { name, ...choice } of markets) {
    const rules: AuctionConfig = { ...parseEnvironment({}).auction, ...choice };
    const played = seeds.map((seed) => play(seed, (candidates, request) => holdAuction(candidates, request, rules)));
    const byLot = seeds.map((seed) => play(seed));
    const figure = (what: string, unit: Figure['unit'], of: (result: Result) => number, peer = false): void =>
      void figures.push({
        suite: 'market',
        backend: '',
        name: `${name}: ${what}`,
        unit,
        ours: played.map(of),
        peer: peer ? byLot.map(of) : undefined,
      });
    figure(`loss in the first ${LATE} rounds`, '%', ({ losses }) => 100 * mean(losses.slice(0, LATE)), true);
    figure(`loss in the last ${LATE} rounds`, '%', ({ losses }) => 100 * mean(losses.slice(-LATE)), true);
    figure(
      `last ${LATE} won by the ten best`,
      '%',
      ({ ranks }) => 100 * mean(ranks.slice(-LATE).map((r) => +(r < 10))),
      true,
    );
    figure('longest wait of a newcomer for its first bid', 'rounds', ({ firstBid }) => Math.max(...firstBid));
    figure('newcomers that have won a task at the end', '%', ({ newcomersWon }) => (100 * newcomersWon) / NEWCOMERS);
    figure('agents that never bid', 'agents', ({ neverBid }) => neverBid);
  }
  return { figures, costs: [] };
}

interface Result {
  /** Per round, 0 to 1. */
  losses: number[];
  /** Per round, how many agents were worth more than the winner. */
  ranks: number[];
  /** Per newcomer, rounds until its first bid; the rest of the game for none. */
  firstBid: number[];
  newcomersWon: number;
  neverBid: number;
}

/** What an agent really is, and what the market has seen of it. */
interface Player {
  candidate: Candidate;
  quality: number;
  durationMs: number;
  reliability: number;
  ratings: { sum: number; count: number };
  p80: number | null;
  bids: number;
  wins: number;
  enters: number;
}

const REQUEST: AuctionRequest = {
  requiredCapabilities: [],
  budgetMicro: 1_000_000n,
  weights: null,
  inputBytes: 0,
  luck: 1,
  region: null,
  regionRequired: false,
  allow: [],
  limitMs: 5000,
};

/** @param auction unset: the winner is chosen by lot */
function play(
  seed: number,
  auction?: (candidates: Candidate[], request: AuctionRequest) => ReturnType<typeof holdAuction>,
): Result {
  const random = mulberry32(seed);
  const players = Array.from({ length: AGENTS }, (_, index) => createPlayer(index, random, index < NEWCOMERS));
  const result: Result = { losses: [], ranks: [], firstBid: [], newcomersWon: 0, neverBid: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const present = players.filter(({ enters }) => enters <= round);
    const byId = new Map(present.map((player) => [player.candidate.agentId, player]));
    // Every strategy draws the same numbers in the same order, whoever wins.
    const luck = {
      lot: random(),
      succeeds: random(),
      duration: gaussian(random),
      rates: random(),
      rating: gaussian(random),
    };
    let winner = present[Math.floor(luck.lot * present.length)];
    if (auction) {
      const { ranking, scoreboard, invited } = auction(
        present.map(({ candidate }) => candidate),
        { ...REQUEST, luck: luck.lot },
      );
      winner = byId.get(ranking[0].agentId) as Player;
      for (const { agent_id } of scoreboard.bids) recordBid(byId.get(agent_id) as Player, round, result);
      for (const id of invited) (byId.get(id) as Player).candidate.lastInvitedAt = round + 1;
    }
    const best = Math.max(...present.map(worth));
    result.losses.push((best - worth(winner)) / best);
    result.ranks.push(present.filter((player) => worth(player) > worth(winner)).length);
    run(winner, luck);
  }
  const newcomers = players.filter(({ enters }) => enters > 0);
  while (result.firstBid.length < NEWCOMERS) result.firstBid.push(ROUNDS / 2);
  result.newcomersWon = newcomers.filter(({ wins }) => wins > 0).length;
  result.neverBid = players.filter(({ bids }) => bids === 0).length;
  return result;
}

function createPlayer(index: number, random: () => number, newcomer: boolean): Player {
  // Newcomers are good ones: of them it matters whether they are found.
  const quality = newcomer ? 4.5 + random() / 2 : 1.5 + 3.5 * random();
  const durationMs = (newcomer ? 50 : 100) * Math.exp(2.5 * random());
  const reliability = newcomer ? 0.99 : 0.8 + 0.2 * random();
  const baseMicro = BigInt(Math.round(1e6 * (0.1 + (newcomer ? 0.2 : 0.8) * random() * (quality / 5))));
  return {
    quality,
    durationMs,
    reliability,
    ratings: { sum: 0, count: 0 },
    p80: null,
    bids: 0,
    wins: 0,
    enters: newcomer ? ROUNDS / 2 : 0,
    candidate: {
      agentId: `agent-${String(index).padStart(2, '0')}`,
      revision: '1',
      ownerId: 'owner',
      name: `Agent ${index}`,
      capabilities: [],
      pricing: { baseMicro, perKbMicro: 0n, surge: 1, maxConcurrency: null },
      running: 0,
      region: null,
      rating: 3.5,
      highestRating: 5,
      raters: 0,
      tasksCompleted: 0,
      // What owners declare is too good by up to a half.
      estimatedMs: Math.round(durationMs * (0.5 + 0.5 * random())),
      lastInvitedAt: 0,
      version: '1.0.0',
      sha256: '',
      storageRef: '',
      limits: null,
      permissions: null,
      contract: null,
    },
  };
}

const worth = ({ candidate, quality, durationMs, reliability }: Player): number =>
  0.3 * (1 - Number(candidate.pricing.baseMicro) / 1e6) +
  0.3 * (quality / 5) +
  0.2 * Math.max(0, 1 - durationMs / REQUEST.limitMs) +
  0.2 * reliability;

function recordBid(player: Player, round: number, result: Result): void {
  if (player.bids++ === 0 && player.enters > 0) result.firstBid.push(round - player.enters);
}

/** A failure is rated as badly as can be; the server would let another agent try, which is not played here. */
function run(player: Player, luck: Record<'succeeds' | 'duration' | 'rates' | 'rating', number>): void {
  const { candidate, ratings } = player;
  player.wins++;
  const succeeded = luck.succeeds < player.reliability;
  if (succeeded) {
    candidate.tasksCompleted++;
    player.p80 = nextP80(player.p80, player.durationMs * Math.exp(0.2 * luck.duration));
    candidate.estimatedMs = Math.round(player.p80);
  }
  if (luck.rates < RATED) {
    ratings.sum += succeeded ? Math.min(5, Math.max(1, Math.round(player.quality + 0.7 * luck.rating))) : 1;
    ratings.count++;
    candidate.rating = smoothedRating(ratings.sum, ratings.count, { mean: 3.5, weight: 5 });
    // Each task of the simulation is of another submitter.
    candidate.highestRating = highestRating(ratings.count, ratings.sum);
    candidate.raters = ratings.count;
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
