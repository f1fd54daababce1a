import { Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager, In } from 'typeorm';
import { EventLog, type FeedNotice } from '../feed/index.js';
import { AgentBinary, type ScanVerdict } from './agent-binary.entity.js';
import { Agent } from './agent.entity.js';
import { AgentService } from './agent.service.js';

/** Versions that no scanner has seen, and what happens to one in which it finds something later. */
@Injectable()
export class VersionScans {
  private readonly logger = new Logger('VersionScans');

  constructor(
    private readonly database: DataSource,
    private readonly agents: AgentService,
    private readonly events: EventLog,
  ) {}

  /** The oldest unscanned version behind `after`, the id of another; '' for the first. @returns null when there is none left */
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

  /** Records a verdict on bytes for every version that consists of them; one that comes in meanwhile is found by `next`. */
  async record(sha256: string, verdict: ScanVerdict): Promise<void> {
    const notices = await this.database.transaction(async (transaction) => {
      // Agents are held before versions, as whoever changes one does: the owner may be activating it, having read no verdict.
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

  /** An agent whose active version it was bids no more, until its owner uploads or activates another one. */
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
