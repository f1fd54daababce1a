import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, type FindOptionsWhere, Not } from 'typeorm';
import { AuditTrail, type AuditType, type Caller, holdAccount, owns } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import { isId, newId } from '../common/ids.js';
import { parseAmount } from '../common/money.js';
import { type Page, toPage } from '../common/pagination.js';
import { SLUG } from '../common/validators.js';
import { addToWorkContext } from '../common/work-context.js';
import { MarketConfig } from '../config/index.js';
import { violatedConstraint } from '../database/index.js';
import { EventLog, type EventType, type FeedNotice } from '../feed/index.js';
import { AgentStatistics } from './agent-statistics.entity.js';
import type { AgentCardDto, CreateAgentDto, ListAgentsQuery, UpdateAgentDto } from './agent.dto.js';
import { Agent } from './agent.entity.js';
import { AgentPresenter } from './agent.presenter.js';
import { NewCapabilities } from './new-capabilities.js';
import { OwnerQuota } from './owner-quota.js';

/** The registry of agents and their prices. Each change is written to the feed in its own transaction. */
@Injectable()
export class AgentService {
  /** Whether new agents await approval. */
  private readonly approval: boolean;

  constructor(
    private readonly database: DataSource,
    private readonly events: EventLog,
    private readonly quota: OwnerQuota,
    private readonly newCapabilities: NewCapabilities,
    private readonly audit: AuditTrail,
    private readonly presenter: AgentPresenter,
    { agentApproval }: MarketConfig,
  ) {
    this.approval = agentApproval;
  }

  /** @throws AppError `conflict` `SLUG_TAKEN`, `forbidden` `QUOTA_EXCEEDED` */
  async create(caller: Caller, dto: CreateAgentDto): Promise<Agent> {
    return this.announced((transaction) => this.insert(transaction, caller, dto));
  }

  /** A page of the market, or of the caller's own agents. */
  async list(caller: Caller, query: ListAgentsQuery): Promise<Page<AgentCardDto>> {
    const agents = this.database
      .getRepository(Agent)
      .createQueryBuilder('agent')
      .orderBy('agent.id', 'DESC')
      .limit(query.limit + 1);
    if (query.mine) agents.where(`agent.ownerId = :owner AND agent.status <> 'retired'`, { owner: caller.id });
    else agents.where(ON_THE_MARKET);
    if (query.capability) agents.andWhere('agent.capabilities @> ARRAY[:capability]', { capability: query.capability });
    if (query.cursor) agents.andWhere('agent.id < :cursor', { cursor: query.cursor });
    const page = toPage(await agents.getMany(), query.limit, (agent) => agent);
    return { ...page, items: await this.presenter.cards(page.items) };
  }

  /**
   * @param reference id, or slug of one of the caller's own agents @throws AppError `not_found`, also for agents of
   *   other users
   */
  async owned(caller: Caller, reference: string): Promise<Agent> {
    const agent = await this.find(caller, reference);
    if (!agent || !owns(caller, agent.ownerId)) throw noSuchAgent(reference);
    return agent;
  }

  /** Like `owned`, but also finds any agent on the market. */
  async visible(caller: Caller, reference: string): Promise<Agent> {
    const agent = await this.find(caller, reference);
    if (!agent || !(owns(caller, agent.ownerId) || (await this.isOnTheMarket(agent.id)))) throw noSuchAgent(reference);
    return agent;
  }

  /**
   * Finds by id, or by slug among the caller's own agents; retired agents are not found. Does not check the caller's
   * rights.
   */
  async find(caller: Caller, reference: string): Promise<Agent | null> {
    if (!isId(reference) && !SLUG.test(reference)) return null;
    const where: FindOptionsWhere<Agent> = isId(reference)
      ? { id: reference }
      : { ownerId: caller.id, slug: reference };
    const agents = await this.database.getRepository(Agent).find({ where, order: { id: 'DESC' } });
    const agent = agents.find(({ status }) => status !== 'retired') ?? null;
    if (agent) addToWorkContext({ agent_id: agent.id });
    return agent;
  }

  async update(caller: Caller, reference: string, dto: UpdateAgentDto): Promise<Agent> {
    const { id } = await this.owned(caller, reference);
    return this.announced((transaction) => this.change(transaction, caller, id, dto));
  }

  /** Removes an agent from the market for good. Its past tasks keep their record. */
  async retire(caller: Caller, reference: string): Promise<void> {
    const agent = await this.owned(caller, reference);
    await this.announced(async (transaction) => {
      const inService = { id: agent.id, status: Not('retired' as const) };
      const { affected } = await transaction.update(Agent, inService, { status: 'retired' });
      if (affected === 0) throw notFound('agent');
      const notice = await this.recordAct(transaction, caller, 'agent.updated', agent, { status: 'retired' });
      return { subject: agent, notice };
    });
  }

  /**
   * Inserts an agent in the caller's transaction. @throws AppError `conflict` `SLUG_TAKEN`, `forbidden` `QUOTA_EXCEEDED`,
   * `exhausted` `TOO_MANY_CAPABILITIES`
   */
  async insert(
    transaction: EntityManager,
    { id: ownerId, role }: Pick<Caller, 'id' | 'role'>,
    dto: CreateAgentDto,
  ): Promise<{ subject: Agent; notice: FeedNotice }> {
    const agent = transaction.create(Agent, {
      id: newId(),
      ownerId,
      slug: dto.slug,
      description: '',
      status: 'active',
      moderation: this.approval && role !== 'admin' ? 'pending' : 'allowed',
      expectedDurationMs: null,
      activeBinaryId: null,
      ...NO_TERMS,
      ...changesOf(dto),
    });
    assertTerms(agent);
    await holdAccount(transaction, ownerId);
    await this.quota.expectRoomForAgent(transaction, ownerId);
    await this.newCapabilities.take(transaction, ownerId, agent.capabilities);
    await transaction.insert(Agent, agent).catch((error: unknown) => {
      if (violatedConstraint(error) === 'agents_owner_slug_key') {
        throw new AppError('conflict', 'SLUG_TAKEN', `You already have an agent called ${dto.slug}.`);
      }
      throw error;
    });
    await transaction.insert(AgentStatistics, { agentId: agent.id });
    addToWorkContext({ agent_id: agent.id });
    const { moderation } = agent;
    const data = moderation === 'allowed' ? {} : { moderation };
    return { subject: agent, notice: await this.record(transaction, 'agent.created', agent, data) };
  }

  /** Locks an agent's row until the caller's transaction ends. @throws AppError `not_found`, also for a retired agent */
  async lock(transaction: EntityManager, id: string): Promise<Agent> {
    const agent = await transaction.findOne(Agent, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!agent || agent.status === 'retired') throw notFound('agent');
    return agent;
  }

  /**
   * Changes the fields in `dto`, in the caller's transaction, which then locks the agent's row. Writes no event if
   * nothing changes.
   */
  async change(
    transaction: EntityManager,
    by: Caller,
    id: string,
    dto: UpdateAgentDto,
  ): Promise<{ subject: Agent; notice?: FeedNotice }> {
    const agent = await this.lock(transaction, id);
    const changes = changesOf(dto);
    const columns = Object.keys(changes) as (keyof Agent)[];
    if (columns.every((column) => isDeepStrictEqual(agent[column], changes[column]))) return { subject: agent };
    Object.assign(agent, changes);
    assertTerms(agent);
    if (changes.capabilities) await this.newCapabilities.take(transaction, agent.ownerId, changes.capabilities);
    await transaction.save(agent);
    const data = { status: agent.status };
    const details = {
      ...data,
      fields: Object.keys(dto).filter((field) => dto[field as keyof UpdateAgentDto] !== undefined),
    };
    return { subject: agent, notice: await this.recordAct(transaction, by, 'agent.updated', agent, data, details) };
  }

  /**
   * Appends an act on an agent to the feed, in the caller's transaction. An act by another user also goes to the audit
   * trail.
   * @param details for the audit trail
   */
  async recordAct(
    transaction: EntityManager,
    by: Caller,
    type: Extract<AuditType, `agent.${string}`>,
    agent: Agent,
    data: Record<string, unknown>,
    details = data,
  ): Promise<FeedNotice> {
    const { id, slug, ownerId: subjectId } = agent;
    const entry = { type, by, subjectId, details: { agent_id: id, slug, ...details } };
    await this.audit.recordForOthers(entry, transaction);
    return this.record(transaction, type, agent, data);
  }

  /** Refuses terms that `insert` or `change` would refuse, before anything is written. @throws AppError `invalid` */
  assertTermsOf(dto: UpdateAgentDto, agent?: Agent): void {
    assertTerms({ ...NO_TERMS, ...agent, ...changesOf(dto) });
  }

  /** Appends an event about an agent in the caller's transaction. */
  record(
    transaction: EntityManager,
    type: EventType,
    agent: Agent,
    data: Record<string, unknown>,
  ): Promise<FeedNotice> {
    return this.events.append(transaction, [
      {
        type,
        task_id: null,
        user_id: agent.ownerId,
        agent_owner_id: agent.ownerId,
        data: { agent_id: agent.id, slug: agent.slug, ...data },
      },
    ]);
  }

  /** Runs a transaction and notifies the feed after its commit. */
  async announced<T>(work: (transaction: EntityManager) => Promise<{ subject: T; notice?: FeedNotice }>): Promise<T> {
    const { subject, notice } = await this.database.transaction(work);
    if (notice) this.events.announce(notice);
    return subject;
  }

  private isOnTheMarket(id: string): Promise<boolean> {
    const agents = this.database.createQueryBuilder(Agent, 'agent').where(ON_THE_MARKET);
    return agents.andWhere('agent.id = :id', { id }).getExists();
  }
}

/** Condition: `agent` can bid. */
const ON_THE_MARKET = `
  agent.status = 'active' AND agent.moderation = 'allowed' AND agent.activeBinaryId IS NOT NULL
  AND NOT EXISTS (SELECT FROM users o WHERE o.id = agent.ownerId AND o.suspended_at IS NOT NULL)`;

/** The answer is the same for an agent that does not exist and for one that the caller may not see. */
export function noSuchAgent(reference: string): AppError {
  if (isId(reference)) return notFound('agent');
  const message = `You have no agent with the slug "${reference.slice(0, 64)}". Name an agent of another owner by its id.`;
  return new AppError('not_found', 'NOT_FOUND', message);
}

/** Terms of an agent that names none: one price for every task, no limit of concurrent tasks. */
const NO_TERMS = { pricePerKbMicro: 0n, surge: 1, maxConcurrency: null, region: null };

/** @throws AppError `invalid` */
function assertTerms({ surge, maxConcurrency }: Pick<Agent, 'surge' | 'maxConcurrency'>): void {
  if (surge === 1 || maxConcurrency !== null) return;
  const message = 'needs max_concurrency: the price rises with the share of it that is taken';
  throw malformed([{ field: 'surge', message }]);
}

/** The columns that a form names. */
function changesOf(dto: Partial<CreateAgentDto> & Pick<UpdateAgentDto, 'status'>): Partial<Agent> {
  const { name, description, capabilities, price, price_per_kb, expected_duration_ms, status } = dto;
  const changes = {
    name,
    description,
    capabilities,
    priceMicro: price === undefined ? undefined : parseAmount(price),
    pricePerKbMicro: price_per_kb === undefined ? undefined : parseAmount(price_per_kb),
    surge: dto.surge,
    maxConcurrency: dto.max_concurrency,
    region: dto.region,
    expectedDurationMs: expected_duration_ms,
    status,
  };
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}
