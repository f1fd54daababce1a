import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AuctionConfig } from '../config/index.js';
import { EVENT_STREAM, type EventStream } from '../feed/index.js';
import { outageLog } from '../observability/index.js';
import type { VersionLimits } from './agent-binary.entity.js';
import type { Candidate } from './candidate.js';
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

  /** Agents that offer at least one of the capabilities; all agents if none is required. Do not keep the result. */
  async offering(required: readonly string[]): Promise<Iterable<Candidate>> {
    if (this.told || performance.now() - this.readAt > MAX_AGE_MS) await this.read();
    return this.select(required);
  }

  /**
   * Like `offering`, but includes everything committed before the call, even if its notification is still on the way.
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

  private select(required: readonly string[]): Iterable<Candidate> {
    if (required.length === 0) return this.agents.values();
    if (required.length === 1) return this.byCapability.get(required[0])?.offering ?? [];
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

interface AgentRow {
  id: string;
  revision: string;
  /** Whether it can bid; if not, it has no version. */
  bids: boolean;
  owner_id: string;
  name: string;
  capabilities: string[];
  price_micro: string;
  price_per_kb_micro: string;
  surge: number;
  max_concurrency: number | null;
  region: string | null;
  expected_duration_ms: number | null;
  tasks_completed: number;
  duration_p80_ms: number | null;
  estimate_ratio: number | null;
  rating_sum: number;
  rating_count: number;
  raters: number;
  rater_mean_sum: number;
  last_invited_at: Date | null;
  version: string;
  sha256: string;
  storage_ref: string;
  limits: VersionLimits | null;
}

/** All transactions before this one have ended. */
const HORIZON = 'pg_snapshot_xmin(pg_current_snapshot())::text::bigint';
/** This transaction and all later ones have not begun. */
const UNBEGUN = 'pg_snapshot_xmax(pg_current_snapshot())::text::bigint';

const AGENT = `
  SELECT a.id, a.revision, a.owner_id, a.name, a.capabilities, a.price_micro, a.price_per_kb_micro, a.surge,
         a.max_concurrency, a.region, a.expected_duration_ms,
         s.tasks_completed, s.duration_p80_ms, s.estimate_ratio, s.rating_sum, s.rating_count, s.raters, s.rater_mean_sum,
         s.last_invited_at,
         b.version, b.sha256, b.storage_ref, b.limits,
         a.status = 'active' AND a.moderation = 'allowed' AND b.id IS NOT NULL AND o.suspended_at IS NULL AS bids, ${HORIZON} AS horizon
    FROM agents a
    JOIN users o ON o.id = a.owner_id
    JOIN agent_statistics s ON s.agent_id = a.id
    LEFT JOIN agent_binaries b ON b.id = a.active_binary_id`;

const ALL = `${AGENT}
   WHERE a.id > $1 AND a.status = 'active' AND a.moderation = 'allowed' AND a.active_binary_id IS NOT NULL
   ORDER BY a.id
   LIMIT $2`;

/**
 * Rows restored from another server's backup may carry transaction ids in this server's future: those are not changes.
 */
const CHANGED = `${AGENT}
   WHERE a.id IN (
     SELECT id FROM agents WHERE revision >= $1 AND revision < ${UNBEGUN}
      UNION
     SELECT agent_id FROM agent_statistics WHERE revision >= $1 AND revision < ${UNBEGUN}
   )`;

const LOAD = `
  SELECT agent_id, count(*)::int AS count FROM tasks WHERE status IN ('assigned', 'running') GROUP BY agent_id`;

/** Locks rows in the order of their ids, like all code that changes several. */
const INVITED = `
  UPDATE agent_statistics SET last_invited_at = now()
    FROM (SELECT agent_id FROM agent_statistics WHERE agent_id = ANY($1::uuid[]) ORDER BY agent_id FOR UPDATE) AS invited
   WHERE agent_statistics.agent_id = invited.agent_id`;
