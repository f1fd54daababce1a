import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AuctionConfig } from '../config/index.js';
import { EVENT_STREAM, type EventStream } from '../feed/index.js';
import { outageLog } from '../observability/index.js';
import type { Candidate } from './candidate.js';
import { type AgentRow, ALL, CHANGED, HORIZON, INVITED, LOAD } from './catalog-rows.js';
import { SHORTLIST, Shortlist } from './shortlist.js';
import { estimateDurationMs, type EstimateRules, highestRating, smoothedRating } from './statistics.js';

/** Maximum age of statistics in the catalogue, ms. */
const MAX_AGE_MS = 1000;
/** Agents per statement when all are read. */
const PAGE = 5000;

/**
 * All agents that can bid, in memory, by capability, so that an auction needs no database. The catalogue is read
 * completely once. Later it reads only changed rows, before the next use: statistics once a second, everything else
 * when the feed reports a change to an agent.
 *
 * Changes are found by transaction. Each row carries the transaction that wrote it last. Changes that commit after a
 * read come from transactions that the read saw unfinished, or that began later. With a clock or a sequence, the
 * catalogue would miss the rows of transactions that commit late.
 */
@Injectable()
export class AgentCatalog implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly warnOfOutage = outageLog(new Logger('Catalogue'), 'newcomers may be invited more than once');
  private readonly prior: { mean: number; weight: number };
  private readonly estimates: EstimateRules;
  private readonly unsubscribe: () => void;

  private readonly agents = new Map<string, Candidate>();
  /** Agents with a limit of concurrent tasks. */
  private readonly limited = new Set<Candidate>();
  private readonly byCapability = new Map<string, Posting>();
  private readonly shortlist = new Shortlist(this.agents);
  /** All transactions before this one have ended and been read. Null before the first read. */
  private horizon: string | null = null;
  private readAt = -Infinity;
  private told = false;
  private reading: Promise<void> = Promise.resolve();
  private nextRead: Promise<void> | null = null;
  /** Invitations that are not yet written. */
  private invited = new Set<string>();

  constructor(
    private readonly database: DataSource,
    @Inject(EVENT_STREAM) stream: EventStream,
    { ratingPriorMean, ratingPriorWeight, estimates }: AuctionConfig,
  ) {
    this.estimates = estimates;
    this.prior = { mean: ratingPriorMean, weight: ratingPriorWeight };
    this.unsubscribe = stream.subscribe(({ signals }) => {
      this.told ||= signals.some(({ type }) => type.startsWith('agent.'));
    });
  }

  /** Reads ahead, so that the first auction need not wait. */
  onApplicationBootstrap(): void {
    this.read().catch(() => undefined);
  }

  /**
   * Agents that offer at least one of the capabilities; of all agents if none is required. Where there are very many, only
   * some of them, see `Shortlist`. Do not keep the result.
   */
  async offering(required: readonly string[]): Promise<Iterable<Candidate>> {
    if (this.told || performance.now() - this.readAt > MAX_AGE_MS) await this.read();
    if (this.mostOffering(required) <= SHORTLIST.best) return this.select(required);
    return this.shortlist.pick(
      required,
      required.flatMap((capability) => this.byCapability.get(capability)?.offering ?? []),
    );
  }

  /**
   * Like `offering`, but all of them, and includes everything committed before the call, even if its notification is still
   * on the way.
   */
  async offeringNow(required: readonly string[]): Promise<Iterable<Candidate>> {
    await this.read();
    return this.select(required);
  }

  /**
   * Records which agents got a seat in an auction that could not invite all. Effective here at once, in other processes
   * within two seconds.
   */
  recordInvitations(agentIds: readonly string[]): void {
    const now = Date.now();
    for (const id of agentIds) {
      const candidate = this.agents.get(id);
      if (candidate) candidate.lastInvitedAt = now;
      this.invited.add(id);
    }
  }

  onApplicationShutdown(): void {
    this.unsubscribe();
  }

  /** No more than so many agents offer one of the capabilities. */
  private mostOffering(required: readonly string[]): number {
    if (required.length === 0) return this.agents.size;
    const sizes = required.map((capability) => this.byCapability.get(capability)?.offering.size ?? 0);
    return Math.min(
      this.agents.size,
      sizes.reduce((sum, size) => sum + size, 0),
    );
  }

  private select(required: readonly string[]): Iterable<Candidate> {
    if (required.length === 0) return this.agents.values();
    if (required.length === 1) return this.byCapability.get(required[0])?.offering ?? [];
    // An auction leaves out those that offer none of them.
    if (this.mostOffering(required) === this.agents.size) return this.agents.values();
    return new Set(required.flatMap((capability) => [...(this.byCapability.get(capability)?.offering ?? [])]));
  }

  /** Resolves when a read that began after this call is done. Waiting calls share one read. */
  private read(): Promise<void> {
    this.nextRead ??= this.reading
      .catch(() => undefined)
      .then(() => {
        this.nextRead = null;
        this.reading = this.catchUp();
        return this.reading;
      });
    return this.nextRead;
  }

  private async catchUp(): Promise<void> {
    const begun = performance.now();
    this.told = false;
    this.writeInvitations().catch(this.warnOfOutage);
    try {
      await (this.horizon === null ? this.readAll() : this.readChanged(this.horizon));
      await this.readLoad();
      this.readAt = begun;
    } catch (error) {
      this.told = true;
      throw error;
    }
  }

  /** Reads in pages, so that the process can answer requests meanwhile. Later changes are read afterwards. */
  private async readAll(): Promise<void> {
    // An earlier attempt may have failed between two pages: a read of changes would miss what changed since then.
    this.agents.clear();
    this.limited.clear();
    this.byCapability.clear();
    const [{ horizon }]: { horizon: string }[] = await this.database.query(`SELECT ${HORIZON} AS horizon`);
    let last = '00000000-0000-0000-0000-000000000000';
    for (let rows: AgentRow[] = []; ;) {
      rows = await this.database.query(ALL, [last, PAGE]);
      for (const row of rows) this.apply(row);
      if (rows.length < PAGE) break;
      last = rows[rows.length - 1].id;
    }
    this.horizon = horizon;
  }

  private async readChanged(since: string): Promise<void> {
    const rows: (AgentRow & { horizon: string })[] = await this.database.query(CHANGED, [since]);
    for (const row of rows) this.apply(row);
    if (rows.length > 0) this.horizon = rows[0].horizon;
  }

  /** Reads only agents whose bids depend on load. The rows are those of running tasks, so they are few. */
  private async readLoad(): Promise<void> {
    if (this.limited.size === 0) return;
    const rows: { agent_id: string; count: number }[] = await this.database.query(LOAD);
    const running = new Map(rows.map(({ agent_id, count }) => [agent_id, count]));
    for (const candidate of this.limited) candidate.running = running.get(candidate.agentId) ?? 0;
  }

  /** Replaces what is known of an agent. */
  private apply(row: AgentRow): void {
    const known = this.agents.get(row.id);
    if (known) {
      this.agents.delete(row.id);
      this.limited.delete(known);
      for (const capability of known.capabilities) this.withdraw(capability, known);
    }
    if (!row.bids) return;
    const candidate = this.toCandidate(row, known);
    this.agents.set(row.id, candidate);
    if (candidate.pricing.maxConcurrency !== null) this.limited.add(candidate);
    for (const capability of candidate.capabilities) this.posting(capability).offering.add(candidate);
  }

  /** Forgets a capability that no agent offers any more. Capabilities are free words, so their number is unlimited. */
  private withdraw(capability: string, candidate: Candidate): void {
    const posting = this.byCapability.get(capability);
    posting?.offering.delete(candidate);
    if (posting?.offering.size === 0) this.byCapability.delete(capability);
  }

  /** Number of capabilities that agents on the market offer. */
  get capabilityCount(): number {
    return this.byCapability.size;
  }

  private posting(capability: string): Posting {
    let posting = this.byCapability.get(capability);
    if (!posting) this.byCapability.set(capability, (posting = { capability, offering: new Set() }));
    return posting;
  }

  private toCandidate(row: AgentRow, known: Candidate | undefined): Candidate {
    return {
      agentId: row.id,
      revision: row.revision,
      ownerId: row.owner_id,
      name: row.name,
      // Agents share one string per capability: a string in each row would be the larger part of a posting.
      capabilities: row.capabilities.map((capability) => this.posting(capability).capability),
      pricing: {
        baseMicro: BigInt(row.price_micro),
        perKbMicro: BigInt(row.price_per_kb_micro),
        surge: row.surge,
        maxConcurrency: row.max_concurrency,
      },
      running: known?.running ?? 0,
      region: row.region,
      rating: smoothedRating(row.rating_sum, row.rating_count, this.prior),
      highestRating: highestRating(row.raters, row.rater_mean_sum),
      raters: row.raters,
      tasksCompleted: row.tasks_completed,
      estimatedMs: estimateDurationMs(
        {
          tasksCompleted: row.tasks_completed,
          durationP80Ms: row.duration_p80_ms,
          estimateRatio: row.estimate_ratio,
          declaredMs: row.expected_duration_ms,
        },
        this.estimates,
      ),
      lastInvitedAt: Math.max(row.last_invited_at?.getTime() ?? 0, known?.lastInvitedAt ?? 0),
      version: row.version,
      sha256: row.sha256,
      storageRef: row.storage_ref,
      limits: row.limits,
      permissions: row.permissions,
      contract:
        row.has_input_schema || row.has_output_schema
          ? { versionId: row.version_id, input: row.has_input_schema, output: row.has_output_schema }
          : null,
    };
  }

  private async writeInvitations(): Promise<void> {
    if (this.invited.size === 0) return;
    const agentIds = [...this.invited];
    this.invited = new Set();
    try {
      await this.database.query(INVITED, [agentIds]);
    } catch (error) {
      for (const id of agentIds) this.invited.add(id);
      throw error;
    }
  }
}

/** A capability and the agents that offer it. */
interface Posting {
  capability: string;
  offering: Set<Candidate>;
}
