import { Injectable } from '@nestjs/common';
import { luckOf } from '../common/ids.js';
import { spending } from '../common/work-context.js';
import { AgentCatalog, type Candidate } from '../agents/index.js';
import { AuctionConfig, HostCallConfig } from '../config/index.js';
import { markEndedBy, traced } from '../observability/index.js';
import type { UnfinishedTask } from '../tasks/index.js';
import { type Auction, type AuctionRequest, holdAuction } from './auction.js';
import { auctionBids, auctionCandidates, auctionDuration, auctions } from './metrics.js';

/** Chooses who does a task: asks the catalogue for candidates and holds the auction among them. */
@Injectable()
export class MetaAgent {
  constructor(
    private readonly catalog: AgentCatalog,
    private readonly rules: AuctionConfig,
    private readonly hostCalls: HostCallConfig,
  ) {}

  /**
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
    if (!stale) auction = this.hold(task, failed, await this.catalog.offering(task.requiredCapabilities));
    // Before a task fails for want of an agent: one that was uploaded a moment ago may just not be in the catalogue yet.
    if (!auction || auction.failure) {
      auction = this.hold(task, failed, await this.catalog.offeringNow(task.requiredCapabilities));
    }
    this.catalog.recordInvitations(auction.invited);
    stopClock();
    count(auction);
    return auction;
  }

  /** The auction that would be held now for a task that is not submitted. Records nothing. */
  async simulate(request: AuctionRequest): Promise<Auction> {
    const asked = { ...request, allow: this.offered(request.allow) };
    const offering = await this.catalog.offering(request.requiredCapabilities);
    const auction = spending(() => holdAuction(offering, asked, this.rules));
    if (!auction.failure) return auction;
    const all = await this.catalog.offeringNow(request.requiredCapabilities);
    return spending(() => holdAuction(all, asked, this.rules));
  }

  /** What a task allows, as far as the operator goes along. */
  private offered(allow: readonly string[]): string[] {
    return allow.filter((kind) => this.hostCalls.offered.some((offered) => offered === kind));
  }

  private hold(task: UnfinishedTask, failed: readonly string[], offering: Iterable<Candidate>): Auction {
    const candidates = failed.length > 0 ? without(new Set(failed), offering) : offering;
    const inputBytes = typeof task.input === 'string' ? Buffer.byteLength(task.input) : task.input.size;
    return holdAuction(
      candidates,
      { ...task, allow: this.offered(task.allow), inputBytes, luck: luckOf(task.id), limitMs: limitMsOf(task) },
      this.rules,
    );
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

function count({ scoreboard, failure }: Auction): void {
  const { competitive, bids, excluded_count } = scoreboard;
  auctions.inc({ competitive: `${competitive}`, awarded: `${!failure}` });
  auctionCandidates.observe(bids.length + excluded_count);
  auctionBids.observe(bids.length);
}

function* without(agentIds: ReadonlySet<string>, candidates: Iterable<Candidate>): Iterable<Candidate> {
  for (const candidate of candidates) if (!agentIds.has(candidate.agentId)) yield candidate;
}

/** What one attempt may take: its timeout, or what is left until the deadline, ms. */
const limitMsOf = ({ timeoutMs, deadlineAt }: UnfinishedTask): number =>
  Math.max(1, Math.round(Math.min(timeoutMs, deadlineAt - performance.now())));
