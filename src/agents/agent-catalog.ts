import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { DataSource } from 'typeorm';
import type { Environment } from '../config/index.js';
import { EVENT_STREAM, type EventStream } from '../feed/index.js';
import { outageLog } from '../observability/index.js';
import type { VersionLimits } from './agent-binary.entity.js';
import { estimateDurationMs, type EstimateRules, highestRating, smoothedRating } from './statistics.js';

/** How old the statistics in the catalogue may be, ms. */
const MAX_AGE_MS = 1000;
/** Agents read by one statement when all are. */
const PAGE = 5000;

/** An active agent that the market allows, with an active version, of an owner who is not suspended: what an auction knows of a bidder. */
export interface Candidate {
  agentId: string;
  /** Of the agent as it was read: an award to it is refused when it has changed since. */
  revision: string;
  ownerId: string;
  name: string;
  capabilities: readonly string[];
  pricing: PricePolicy;
  /** Tasks it is at work on, as far as known here; 0 where it takes on any number. */
  running: number;
  region: string | null;
  /** Smoothed, 0–5. */
  rating: number;
  /** The highest rating that the votes of distinct accounts leave possible, up to 5. */
  highestRating: number;
  /** Accounts that have voted. */
  raters: number;
  tasksCompleted: number;
  estimatedMs: number;
  /** Milliseconds since the epoch, 0 for never. */
  lastInvitedAt: number;
  version: string;
  sha256: string;
  storageRef: string;
  /** What the version allows one run; null: what the server does. */
  limits: VersionLimits | null;
}

/** What an agent asks for. */
export interface PricePolicy {
  baseMicro: bigint;
  /** For each begun KiB of input. */
  perKbMicro: bigint;
  /** Multiplies the price at full load; from 1. */
  surge: number;
  /** Tasks it takes on at once; null: any number. */
  maxConcurrency: number | null;
}

/**
 * All agents that can bid, in memory, by capability, so that an auction asks no database. Read whole once; from then on only
 * the rows that have changed are, before the next use when a second has passed (statistics) or the feed has told of an
 * agent (everything else).
 *
 * What has changed is found by transaction: each row carries the one that wrote it last, and whatever commits after a read
 * was begun by a transaction that the read saw unfinished, or that began later. A clock or a sequence would lose the rows of a
 * transaction that commits late.
 */
@Injectable()
export class AgentCatalog implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly warnOfOutage = outageLog(new Logger('Catalogue'), 'newcomers may be invited more than once');
  private readonly prior: { mean: number; weight: number };
  private readonly estimates: EstimateRules;
  private readonly unsubscribe: () => void;

  private readonly agents = new Map<string, Candidate>();
  /** Those that take on a limited number of tasks. */
  private readonly limited = new Set<Candidate>();
  private readonly byCapability = new Map<string, Posting>();
  /** All transactions before this one have ended and been read; null before the first read. */
  private horizon: string | null = null;
  private readAt = -Infinity;
  private told = false;
  private reading: Promise<void> = Promise.resolve();
  private nextRead: Promise<void> | null = null;
  /** Invitations that are not written yet. */
  private invited = new Set<string>();

  constructor(
    private readonly database: DataSource,
    @Inject(EVENT_STREAM) stream: EventStream,
    config: ConfigService<Environment, true>,
  ) {
    const { ratingPriorMean, ratingPriorWeight, estimates } = config.get('auction', { infer: true });
    this.estimates = estimates;
    this.prior = { mean: ratingPriorMean, weight: ratingPriorWeight };
    this.unsubscribe = stream.subscribe(({ signals }) => {
      this.told ||= signals.some(({ type }) => type.startsWith('agent.'));
    });
  }

  /** The first auction need not wait for it. */
  onApplicationBootstrap(): void {
    this.read().catch(() => undefined);
  }

  /** Agents that offer at least one of the capabilities; all of them when none is required. Not to be kept. */
  async offering(required: readonly string[]): Promise<Iterable<Candidate>> {
    if (this.told || performance.now() - this.readAt > MAX_AGE_MS) await this.read();
    return this.select(required);
  }

  /** The same, with everything that was committed before the call: the word of a change may still be on its way. */
  async offeringNow(required: readonly string[]): Promise<Iterable<Candidate>> {
    await this.read();
    return this.select(required);
  }

  /** Remembers who got a seat in an auction that could not invite everyone: here at once, for everybody within a second or two. */
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

  /** Resolves when a read is done that began after this call; calls that wait for one to begin share it. */
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

  /** In pages, so that the process answers others meanwhile. What changes after the first is read with the changes. */
  private async readAll(): Promise<void> {
    // A try before may have broken off between two pages; of what was changed since then, no read would be told.
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

  /** Only of agents whose bids depend on it. The rows are those of tasks in hand, few however many there are. */
  private async readLoad(): Promise<void> {
    if (this.limited.size === 0) return;
    const rows: { agent_id: string; count: number }[] = await this.database.query(LOAD);
    const running = new Map(rows.map(({ agent_id, count }) => [agent_id, count]));
    for (const candidate of this.limited) candidate.running = running.get(candidate.agentId) ?? 0;
  }

  /** Puts an agent in place of what was known of it. */
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

  /** A capability that no agent offers any more is forgotten. Capabilities are free words, of which there is no end. */
  private withdraw(capability: string, candidate: Candidate): void {
    const posting = this.byCapability.get(capability);
    posting?.offering.delete(candidate);
    if (posting?.offering.size === 0) this.byCapability.delete(capability);
  }

  /** Capabilities that are kept: those that agents on the market offer. */
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
      // One string for all agents that offer it: a row's own would be the larger part of a posting.
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

/** A capability and who offers it. */
interface Posting {
  capability: string;
  offering: Set<Candidate>;
}

interface AgentRow {
  id: string;
  revision: string;
  /** Whether it can bid; when not, it has no version. */
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

/** All transactions before it have ended. */
const HORIZON = 'pg_snapshot_xmin(pg_current_snapshot())::text::bigint';
/** It and all after it have not begun. */
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

/** Rows restored from another server's backup may carry transactions that are yet to come here: those are not changes. */
const CHANGED = `${AGENT}
   WHERE a.id IN (
     SELECT id FROM agents WHERE revision >= $1 AND revision < ${UNBEGUN}
      UNION
     SELECT agent_id FROM agent_statistics WHERE revision >= $1 AND revision < ${UNBEGUN}
   )`;

const LOAD = `
  SELECT agent_id, count(*)::int AS count FROM tasks WHERE status IN ('assigned', 'running') GROUP BY agent_id`;

/** Rows are locked in the order of their ids, as by whoever else changes several. */
const INVITED = `
  UPDATE agent_statistics SET last_invited_at = now()
    FROM (SELECT agent_id FROM agent_statistics WHERE agent_id = ANY($1::uuid[]) ORDER BY agent_id FOR UPDATE) AS invited
   WHERE agent_statistics.agent_id = invited.agent_id`;
