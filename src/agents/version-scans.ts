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

  /**
   * Lets `scan` look at the oldest unscanned version behind `after` and records its verdict. The version's row is held
   * meanwhile, and other processes skip it: each version is scanned once, however many look for it.
   * @param after id of a version; '' for the first
   * @param scan answers null when it cannot tell now
   * @returns id of the version it looked at; null when there is none left
   */
  async scanNext(
    after: string,
    scan: (binary: AgentBinary) => Promise<ScanVerdict | null>,
  ): Promise<{ id: string; verdict: ScanVerdict | null } | null> {
    const outcome = await this.database.transaction(async (transaction) => {
      const binary = await transaction
        .createQueryBuilder(AgentBinary, 'binary')
        .where(`binary.scan ->> 'status' IN ('unscanned', 'not_configured')`)
        .andWhere('binary.storageRef IS NOT NULL')
        .andWhere(after ? 'binary.id > :after' : 'TRUE', { after })
        .orderBy('binary.id')
        .limit(1)
        .setLock('for_no_key_update')
        .setOnLocked('skip_locked')
        .getOne();
      if (!binary) return null;
      const verdict = await scan(binary);
      const notices = verdict ? await this.record(transaction, binary.sha256, verdict) : [];
      return { id: binary.id, verdict, notices };
    });
    for (const notice of outcome?.notices ?? []) this.events.announce(notice);
    return outcome && { id: outcome.id, verdict: outcome.verdict };
  }

  /** The verdict is one on bytes: it holds for every version that consists of them. */
  private async record(transaction: EntityManager, sha256: string, verdict: ScanVerdict): Promise<FeedNotice[]> {
    await transaction.update(AgentBinary, { sha256 }, { scan: verdict });
    return verdict.status === 'infected' ? this.quarantine(transaction, sha256, verdict) : [];
  }

  /** An agent whose active version it was bids no more, until its owner uploads or activates another one. */
  private async quarantine(
    transaction: EntityManager,
    sha256: string,
    { signature }: ScanVerdict,
  ): Promise<FeedNotice[]> {
    const binaries = await transaction.findBy(AgentBinary, { sha256 });
    // Held first: the owner may be activating it, having read no verdict, and the update alone would not see that it is active.
    const holders = await transaction.find(Agent, {
      where: { id: In(binaries.map(({ agentId }) => agentId)) },
      order: { id: 'ASC' },
      lock: { mode: 'pessimistic_write' },
    });
    const agentOf = new Map(holders.map((agent) => [agent.id, agent]));
    await transaction.update(
      Agent,
      { activeBinaryId: In(binaries.map((binary) => binary.id)) },
      { activeBinaryId: null },
    );
    const notices: FeedNotice[] = [];
    for (const { agentId, version } of binaries) {
      this.logger.warn(`Version ${version} of agent ${agentId} is quarantined: the virus scanner found ${signature}`);
      const data = { version, sha256, signature };
      notices.push(
        await this.agents.record(transaction, 'agent.version_quarantined', agentOf.get(agentId) as Agent, data),
      );
    }
    return notices;
  }
}
