import { Injectable } from '@nestjs/common';
import { DataSource, In } from 'typeorm';
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
    if (agents.length === 0) return [];
    const statistics = await this.database
      .getRepository(AgentStatistics)
      .findBy(agents.map((agent) => ({ agentId: agent.id })));
    const activeIds = agents.flatMap((agent) => agent.activeBinaryId ?? []);
    const binaries = activeIds.length > 0 ? await this.versions(activeIds) : [];
    const statisticsOf = new Map(statistics.map((row) => [row.agentId, row]));
    const versionOf = new Map(binaries.map((row) => [row.id, row]));
    return agents.map((agent) => {
      const seen = statisticsOf.get(agent.id) as AgentStatistics;
      return {
        id: agent.id,
        slug: agent.slug,
        name: agent.name,
        description: agent.description,
        capabilities: agent.capabilities,
        price: amountToWire(agent.priceMicro),
        region: agent.region,
        version: versionOf.get(agent.activeBinaryId ?? '')?.version ?? null,
        permissions: versionOf.get(agent.activeBinaryId ?? '')?.permissions ?? null,
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
    const activeIds = agents.flatMap((agent) => agent.activeBinaryId ?? []);
    const select = { id: true, inputSchema: true, outputSchema: true } as const;
    const binaries = this.database.getRepository(AgentBinary);
    const schemas = activeIds.length > 0 ? await binaries.find({ where: { id: In(activeIds) }, select }) : [];
    const schemasOf = new Map(schemas.map((row) => [row.id, row]));
    const cards = await this.cards(agents);
    return cards.map((card, index) => {
      const active = schemasOf.get(agents[index].activeBinaryId ?? '');
      return { ...card, input_schema: active?.inputSchema ?? null, output_schema: active?.outputSchema ?? null };
    });
  }

  private versions(binaryIds: string[]): Promise<Pick<AgentBinary, 'id' | 'version' | 'permissions'>[]> {
    return this.database
      .getRepository(AgentBinary)
      .find({ where: { id: In(binaryIds) }, select: { id: true, version: true, permissions: true } });
  }
}
