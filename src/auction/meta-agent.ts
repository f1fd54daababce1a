import { Injectable } from '@nestjs/common';
import { luckOf } from '../common/ids.js';
import { spending } from '../common/work-context.js';
import { AgentCatalog, type Candidate, VersionContracts } from '../agents/index.js';
import { MAX_CHECKED_BYTES } from '../contracts/index.js';
import { AuctionConfig, HostCallConfig } from '../config/index.js';
import { markEndedBy, traced } from '../observability/index.js';
import type { UnfinishedTask } from '../tasks/index.js';
import { type Auction, type AuctionRequest, holdAuction } from './auction.js';
import { InputCheck } from './misfits.js';
import { auctionBids, auctionCandidates, auctionDuration, auctions } from './metrics.js';

/** Chooses who does a task: asks the catalogue for candidates and holds the auction among them. */
@Injectable()
export class MetaAgent {
  constructor(
    private readonly catalog: AgentCatalog,
    private readonly contracts: VersionContracts,
    private readonly rules: AuctionConfig,
    private readonly hostCalls: HostCallConfig,
  ) {}

  /**
   * Agents of the tasks above this one are not asked, so that none hires itself.
   * @param failed agents that are not asked: they have failed this task
   * @param stale whether the catalogue has just been shown to be
   */
  auction(task: UnfinishedTask, failed: readonly string[], stale = false): Promise<Auction> {
    return traced('task.auction', {}, async (span) => {
      const auction = await this.measure(task, failed, stale);
      const { scoreboard, failure, ranking } = auction;
      span.setAttributes({
        'zerostate.auction.candidates': scoreboard.bids.length + scoreboard.excluded_count,
        'zerostate.auction.bids': scoreboard.bids.length,
        'zerostate.auction.competitive': scoreboard.competitive,
        'zerostate.auction.winner': failure ? undefined : ranking[0].agentId,
      });
      if (failure) markEndedBy(span, failure);
      return auction;
    });
  }

  private async measure(task: UnfinishedTask, failed: readonly string[], stale: boolean): Promise<Auction> {
    const stopClock = auctionDuration.startTimer();
    let auction: Auction | null = null;
    if (!stale) auction = await this.hold(task, failed, await this.catalog.offering(task.requiredCapabilities));
    // Before a task fails for want of an agent: one that was uploaded a moment ago may just not be in the catalogue yet.
    if (!auction || auction.failure) {
      auction = await this.hold(task, failed, await this.catalog.offeringNow(task.requiredCapabilities));
    }
    this.catalog.recordInvitations(auction.invited);
    stopClock();
    count(auction);
    return auction;
  }

  /** The auction that would be held now for a task that is not submitted. Records nothing. */
  async simulate(request: DirectedRequest, input: string | null): Promise<Auction> {
    const asked = { ...request, allow: this.offered(request.allow) };
    const offering = await this.catalog.offering(request.requiredCapabilities);
    const auction = await this.holdAmongFitting(() => offering, asked, input);
    if (!auction.failure) return auction;
    const all = await this.catalog.offeringNow(request.requiredCapabilities);
    return this.holdAmongFitting(() => all, asked, input);
  }

  /** What a task allows, as far as the operator goes along. */
  private offered(allow: readonly string[]): string[] {
    return allow.filter((kind) => this.hostCalls.offered.some((offered) => offered === kind));
  }

  private hold(task: UnfinishedTask, failed: readonly string[], offering: Iterable<Candidate>): Promise<Auction> {
    const excluded = new Set([...failed, ...task.ancestorAgents]);
    const input = typeof task.input === 'string' ? task.input : null;
    const inputBytes = typeof task.input === 'string' ? Buffer.byteLength(task.input) : task.input.size;
    return this.holdAmongFitting(
      () => (excluded.size > 0 ? without(excluded, offering) : offering),
      { ...task, allow: this.offered(task.allow), inputBytes, luck: luckOf(task.id), limitMs: limitMsOf(task) },
      input,
    );
  }

  /**
   * Holds the auction, and again if agents with a seat declare a schema that the input does not fit. So schemas cost nothing
   * where no agent has any, and little where all fit.
   * @param input JSON text; null: a document of its own, which no schema is compared with
   */
  private async holdAmongFitting(
    offering: () => Iterable<Candidate>,
    request: DirectedRequest,
    input: string | null,
  ): Promise<Auction> {
    const candidates = () => (request.onlyAgentId ? only(request.onlyAgentId, offering()) : offering());
    let auction = spending(() => holdAuction(candidates(), request, this.rules));
    if (input === null || request.inputBytes > MAX_CHECKED_BYTES || !auction.ranking.some(declaresInput))
      return auction;
    const check = new InputCheck(JSON.parse(input), request.inputBytes);
    if (!(await this.findMisfits(check, auction.ranking))) return auction;
    for (let round = 0; round < MAX_CHECK_ROUNDS; round++) {
      await this.findMisfits(check, [...candidates()]);
      auction = spending(() => holdAuction(candidates(), { ...request, misfits: check.misfits }, this.rules));
      // An agent may have come meanwhile.
      if (auction.ranking.every((bidder) => !declaresInput(bidder) || check.isChecked(bidder))) break;
    }
    return auction;
  }

  private async findMisfits(check: InputCheck, candidates: readonly Candidate[]): Promise<boolean> {
    const unchecked = candidates.filter((candidate) => declaresInput(candidate) && !check.isChecked(candidate));
    const contracts = await this.contracts.ofAll(unchecked.flatMap(({ contract }) => contract?.versionId ?? []));
    return check.check(unchecked, contracts);
  }

  /** How many agents may fail at a task before another auction is held. */
  get agentsPerRound(): number {
    return this.rules.enableFailover ? 1 + this.rules.maxFailoverAgents : 1;
  }

  /** How many agents may fail at a task before it has failed. */
  get agentsPerTask(): number {
    return this.rules.enableFailover ? this.agentsPerRound * this.rules.maxRounds : 1;
  }
}

/** With the only agent that may bid; null: any. */
type DirectedRequest = AuctionRequest & { onlyAgentId: string | null };

const MAX_CHECK_ROUNDS = 3;

const declaresInput = ({ contract }: Candidate): boolean => contract?.input === true;

function count({ scoreboard, failure }: Auction): void {
  const { competitive, bids, excluded_count } = scoreboard;
  auctions.inc({ competitive: `${competitive}`, awarded: `${!failure}` });
  auctionCandidates.observe(bids.length + excluded_count);
  auctionBids.observe(bids.length);
}

function* without(agentIds: ReadonlySet<string>, candidates: Iterable<Candidate>): Iterable<Candidate> {
  for (const candidate of candidates) if (!agentIds.has(candidate.agentId)) yield candidate;
}

function* only(agentId: string, candidates: Iterable<Candidate>): Iterable<Candidate> {
  for (const candidate of candidates) if (candidate.agentId === agentId) yield candidate;
}

/** What one attempt may take: its timeout, or what is left until the deadline, ms. */
const limitMsOf = ({ timeoutMs, deadlineAt }: UnfinishedTask): number =>
  Math.max(1, Math.round(Math.min(timeoutMs, deadlineAt - performance.now())));
