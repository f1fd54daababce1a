import { Injectable } from '@nestjs/common';
import { DataSource, type FindOptionsSelect, In } from 'typeorm';
import { amountToWire } from '../common/money.js';
import { AuctionConfig } from '../config/index.js';
import { AgentBinary } from './agent-binary.entity.js';
import { AgentStatistics } from './agent-statistics.entity.js';
import type { AgentCardDto, AgentDto, DetailedCardDto } from './agent.dto.js';
import type { Agent } from './agent.entity.js';
import { estimateDurationMs, smoothedRating, successRate, toTwoDigits } from './statistics.js';

/** Presents agents on the wire, with their active version and their statistics. */
@Injectable()
export class AgentPresenter {
  constructor(
    private readonly database: DataSource,
    private readonly auction: AuctionConfig,
  ) {}

  async card(agent: Agent): Promise<DetailedCardDto> {
    const [card] = await this.detailedCards([agent]);
    return card;
  }

  async present(agent: Agent): Promise<AgentDto> {
    const [presented] = await this.presentAll([agent]);
    return presented;
  }

  /** Presents agents as their owners see them. */
  async presentAll(agents: Agent[]): Promise<AgentDto[]> {
    const cards = await this.detailedCards(agents);
    return agents.map((agent, index) => this.withOwnersView(cards[index], agent));
  }

  private withOwnersView(card: DetailedCardDto, agent: Agent): AgentDto {
    return {
      ...card,
      owner_id: agent.ownerId,
      status: agent.status,
      moderation: agent.moderation,
      moderation_reason: agent.moderationReason,
      moderated_at: agent.moderatedAt?.toISOString() ?? null,
      price_per_kb: amountToWire(agent.pricePerKbMicro),
      surge: agent.surge,
      max_concurrency: agent.maxConcurrency,
      expected_duration_ms: agent.expectedDurationMs,
      created_at: agent.createdAt.toISOString(),
      updated_at: agent.updatedAt.toISOString(),
    };
  }

  /** Agents as everyone sees them, in the order given. */
  async cards(agents: Agent[]): Promise<AgentCardDto[]> {
    return this.toCards(agents, await this.activeVersions(agents, SHOWN));
  }

  private async toCards(agents: Agent[], versionOf: ReadonlyMap<string, ShownVersion>): Promise<AgentCardDto[]> {
    if (agents.length === 0) return [];
    const statistics = await this.database
      .getRepository(AgentStatistics)
      .findBy(agents.map((agent) => ({ agentId: agent.id })));
    const statisticsOf = new Map(statistics.map((row) => [row.agentId, row]));
    return agents.map((agent) => {
      const seen = statisticsOf.get(agent.id) as AgentStatistics;
      const active = versionOf.get(agent.activeBinaryId ?? '');
      return {
        id: agent.id,
        slug: agent.slug,
        name: agent.name,
        description: agent.description,
        capabilities: agent.capabilities,
        price: amountToWire(agent.priceMicro),
        region: agent.region,
        version: active?.version ?? null,
        permissions: active?.permissions ?? null,
        statistics: {
          tasks_completed: seen.tasksCompleted,
          attempts_failed: seen.attemptsFailed,
          rating: smoothedRating(seen.ratingSum, seen.ratingCount, {
            mean: this.auction.ratingPriorMean,
            weight: this.auction.ratingPriorWeight,
          }),
          rating_count: seen.ratingCount,
          success_rate: successRate(seen.tasksCompleted, seen.attemptsFailed),
          actual_to_estimate: seen.estimateRatio && toTwoDigits(seen.estimateRatio),
          estimated_ms: estimateDurationMs({ ...seen, declaredMs: agent.expectedDurationMs }, this.auction.estimates),
          cpu_p80_ms: seen.cpuP80Ms && toTwoDigits(seen.cpuP80Ms),
          memory_p80_bytes: seen.memoryP80Bytes && toTwoDigits(seen.memoryP80Bytes),
        },
      };
    });
  }

  private async detailedCards(agents: Agent[]): Promise<DetailedCardDto[]> {
    const versionOf = await this.activeVersions(agents, { ...SHOWN, inputSchema: true, outputSchema: true });
    const cards = await this.toCards(agents, versionOf);
    return cards.map((card, index) => {
      const active = versionOf.get(agents[index].activeBinaryId ?? '');
      return { ...card, input_schema: active?.inputSchema ?? null, output_schema: active?.outputSchema ?? null };
    });
  }

  /** The active versions of agents by id, with these columns alone: schemas can be large. */
  private async activeVersions(
    agents: Agent[],
    select: FindOptionsSelect<AgentBinary>,
  ): Promise<ReadonlyMap<string, AgentBinary>> {
    const ids = agents.flatMap((agent) => agent.activeBinaryId ?? []);
    if (ids.length === 0) return new Map();
    const rows = await this.database.getRepository(AgentBinary).find({ where: { id: In(ids) }, select });
    return new Map(rows.map((row) => [row.id, row]));
  }
}

const SHOWN = { id: true, version: true, permissions: true } as const;
type ShownVersion = Pick<AgentBinary, keyof typeof SHOWN>;
