import { Injectable, Logger } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AgentCatalog, type Candidate } from '../agents/index.js';
import type { AuctionConfig, Environment } from '../config/index.js';
import type { UnfinishedTask } from '../tasks/index.js';
import { type Auction, type AuctionRequest, holdAuction } from './auction/auction.js';

/** Chooses who does a task: asks the catalogue for candidates and holds the auction among them. */
@Injectable()
export class MetaAgent {
  private readonly logger = new Logger('MetaAgent');
  private readonly rules: AuctionConfig;

  constructor(
    private readonly catalog: AgentCatalog,
    config: ConfigService<Environment, true>,
  ) {
    this.rules = config.get('auction', { infer: true });
  }

  /** Agents that have failed this task are not asked again. */
  async auction(task: UnfinishedTask): Promise<Auction> {
    let auction = this.hold(task, await this.catalog.offering(task.requiredCapabilities));
    // Before a task fails for want of an agent: one that was uploaded a moment ago may just not be in the catalogue yet.
    if (auction.failure) auction = this.hold(task, await this.catalog.offeringNow(task.requiredCapabilities));
    if (auction.invited.length > 0) {
      this.catalog
        .recordInvitations(auction.invited)
        .catch((error: Error) => this.logger.warn(`invitations were not recorded: ${error.message}`));
    }
    return auction;
  }

  /** The auction that would be held now for a task that is not submitted. Records nothing. */
  async simulate(request: AuctionRequest): Promise<Auction> {
    return holdAuction(await this.catalog.offering(request.requiredCapabilities), request, this.rules);
  }

  private hold(task: UnfinishedTask, offering: Candidate[]): Auction {
    const failed = new Set(task.failedAgentIds);
    const candidates = failed.size > 0 ? offering.filter((candidate) => !failed.has(candidate.agentId)) : offering;
    return holdAuction(candidates, { ...task, limitMs: limitMsOf(task) }, this.rules);
  }

  /** How many agents may fail at a task before it has failed. */
  get maxAgentsPerTask(): number {
    return this.rules.enableFailover ? 1 + this.rules.maxFailoverAgents : 1;
  }
}

/** What one attempt may take: its timeout, or what is left until the deadline, ms. */
const limitMsOf = ({ timeoutMs, deadlineAt }: UnfinishedTask): number =>
  Math.max(1, Math.round(Math.min(timeoutMs, deadlineAt - performance.now())));
