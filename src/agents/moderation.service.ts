import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditTrail, type Caller } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { type Page, toPage } from '../common/pagination.js';
import type { AgentDto, ListModeratedQuery } from './agent.dto.js';
import { Agent } from './agent.entity.js';
import { AgentPresenter } from './agent.presenter.js';
import { AgentService } from './agent.service.js';

/**
 * Decisions of admins about agents. They are independent of the owner's own pause: an agent bids while its owner has it
 * active and the market allows it. Running tasks of a blocked agent continue.
 *
 *     pending ──approve──▶ allowed ◀──unblock── blocked
 *        └────────────────block────────────────▶
 *     allowed ──block──▶ blocked
 */
@Injectable()
export class ModerationService {
  constructor(
    private readonly database: DataSource,
    private readonly agents: AgentService,
    private readonly presenter: AgentPresenter,
    private readonly audit: AuditTrail,
  ) {}

  /** Agents in one state of moderation, newest first. */
  async list({ status, owner_id, limit, cursor }: ListModeratedQuery): Promise<Page<AgentDto>> {
    const agents = this.database
      .getRepository(Agent)
      .createQueryBuilder('agent')
      .where(`agent.moderation = :status AND agent.status <> 'retired'`, { status })
      .orderBy('agent.id', 'DESC')
      .limit(limit + 1);
    if (owner_id) agents.andWhere('agent.ownerId = :owner', { owner: owner_id });
    if (cursor) agents.andWhere('agent.id < :cursor', { cursor });
    const page = toPage(await agents.getMany(), limit, (agent) => agent);
    return { ...page, items: await this.presenter.presentAll(page.items) };
  }

  /** Removes an agent from the market. A second block replaces the reason. @throws AppError `not_found` */
  block(by: Caller, reference: string, reason: string): Promise<Agent> {
    return this.decide(by, reference, (agent) =>
      agent.moderation === 'blocked' && agent.moderationReason === reason
        ? null
        : { type: 'agent.blocked', moderation: 'blocked', reason },
    );
  }

  /** Returns a blocked agent to the market. @throws AppError `not_found`, `conflict` `AWAITS_APPROVAL` */
  unblock(by: Caller, reference: string): Promise<Agent> {
    return this.decide(by, reference, ({ moderation }) => {
      if (moderation === 'pending') {
        const message = 'The agent is not blocked, it awaits approval: POST …/approve lets it onto the market.';
        throw new AppError('conflict', 'AWAITS_APPROVAL', message);
      }
      return moderation === 'allowed' ? null : { type: 'agent.unblocked', moderation: 'allowed', reason: null };
    });
  }

  /** Lets a new agent onto the market. @throws AppError `not_found`, `conflict` `AGENT_BLOCKED` */
  approve(by: Caller, reference: string): Promise<Agent> {
    return this.decide(by, reference, ({ moderation }) => {
      if (moderation === 'blocked') {
        throw new AppError('conflict', 'AGENT_BLOCKED', 'The agent is blocked: POST …/unblock lifts that.');
      }
      return moderation === 'allowed' ? null : { type: 'agent.approved', moderation: 'allowed', reason: null };
    });
  }

  private async decide(by: Caller, reference: string, judge: (agent: Agent) => Decision | null): Promise<Agent> {
    const { id } = await this.agents.owned(by, reference);
    return this.agents.announced(async (transaction) => {
      const agent = await lockedAgent(transaction, id);
      const decision = judge(agent);
      if (!decision) return { subject: agent };
      const { type, moderation, reason } = decision;
      await transaction.save(
        Object.assign(agent, {
          moderation,
          moderationReason: reason,
          moderatedAt: new Date(),
        } satisfies Partial<Agent>),
      );
      const details = { agent_id: id, slug: agent.slug, ...(reason !== null && { reason }) };
      await this.audit.record({ type, by, subjectId: agent.ownerId, details }, transaction);
      const notice = await this.agents.record(transaction, type, agent, { moderation, reason });
      return { subject: agent, notice };
    });
  }
}

interface Decision {
  type: 'agent.blocked' | 'agent.unblocked' | 'agent.approved';
  moderation: Agent['moderation'];
  reason: string | null;
}

async function lockedAgent(transaction: EntityManager, id: string): Promise<Agent> {
  const agent = await transaction.findOne(Agent, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (!agent || agent.status === 'retired') throw notFound('agent');
  return agent;
}
