import { Injectable, Logger } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AgentCatalog, type Candidate } from '../agents/index.js';
import type { AuctionConfig, Environment } from '../config/index.js';
import type { UnfinishedTask } from '../tasks/index.js';
import { type Auction, holdAuction } from './auction/auction.js';

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

  private hold(task: UnfinishedTask, offering: Candidate[]): Auction {
    const failed = new Set(task.failedAgentIds);
    const candidates = failed.size > 0 ? offering.filter((candidate) => !failed.has(candidate.agentId)) : offering;
    return holdAuction(candidates, task, this.rules);
  }

  /** How many agents may fail at a task before it has failed. */
  get maxAgentsPerTask(): number {
    return this.rules.enableFailover ? 1 + this.rules.maxFailoverAgents : 1;
  }
}
