import { Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager, In } from 'typeorm';
import { EventLog, type FeedNotice } from '../feed/index.js';
import { AgentBinary, type ScanVerdict } from './agent-binary.entity.js';
import { Agent } from './agent.entity.js';
import { AgentService } from './agent.service.js';

/** Versions that have not been scanned, and what happens when a later scan finds malware. */
@Injectable()
export class VersionScans {
  private readonly logger = new Logger('VersionScans');

  constructor(
    private readonly database: DataSource,
    private readonly agents: AgentService,
    private readonly events: EventLog,
  ) {}

  /**
   * The oldest unscanned version after `after`, another version's id; '' for the first. @returns null when none is left
   */
  next(after: string): Promise<AgentBinary | null> {
    return this.database
      .getRepository(AgentBinary)
      .createQueryBuilder('binary')
      .where(`binary.scan ->> 'status' IN ('unscanned', 'not_configured')`)
      .andWhere('binary.storageRef IS NOT NULL')
      .andWhere(after ? 'binary.id > :after' : 'TRUE', { after })
      .orderBy('binary.id')
      .limit(1)
      .getOne();
  }

  /** Records a verdict for every version with these bytes. `next` finds a version that is added meanwhile. */
  async record(sha256: string, verdict: ScanVerdict): Promise<void> {
    const notices = await this.database.transaction(async (transaction) => {
      // Locks agents before versions, like all code that changes both. The owner may be activating the version without
      // having read a verdict.
      const holders = await transaction
        .createQueryBuilder(Agent, 'agent')
        .where('agent.id IN (SELECT agent_id FROM agent_binaries WHERE sha256 = :sha256)', { sha256 })
        .orderBy('agent.id')
        .setLock('pessimistic_write')
        .getMany();
      const theirs = { sha256, agentId: In(holders.map(({ id }) => id)) };
      await transaction.update(AgentBinary, theirs, { scan: verdict });
      if (verdict.status !== 'infected') return [];
      return this.quarantine(transaction, holders, await transaction.findBy(AgentBinary, theirs), verdict);
    });
    for (const notice of notices) this.events.announce(notice);
  }

  /** An agent whose active version is quarantined stops bidding until its owner uploads or activates another. */
  private async quarantine(
    transaction: EntityManager,
    holders: readonly Agent[],
    binaries: readonly AgentBinary[],
    { signature }: ScanVerdict,
  ): Promise<FeedNotice[]> {
    const agentOf = new Map(holders.map((agent) => [agent.id, agent]));
    await transaction.update(
      Agent,
      { activeBinaryId: In(binaries.map((binary) => binary.id)) },
      { activeBinaryId: null },
    );
    const notices: FeedNotice[] = [];
    for (const { agentId, version, sha256 } of binaries) {
      this.logger.warn(`Version ${version} of agent ${agentId} is quarantined: the virus scanner found ${signature}`);
      const data = { version, sha256, signature };
      notices.push(
        await this.agents.record(transaction, 'agent.version_quarantined', agentOf.get(agentId) as Agent, data),
      );
    }
    return notices;
  }
}
