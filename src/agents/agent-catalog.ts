import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { DataSource } from 'typeorm';
import type { Environment } from '../config/index.js';
import { EVENT_STREAM, type EventStream } from '../feed/index.js';
import { estimateDurationMs, smoothedRating } from './statistics.js';

/** How old the statistics in the catalogue may be, ms. */
const MAX_AGE_MS = 1000;

/** An active agent with an active version: what an auction knows of a bidder. */
export interface Candidate {
  agentId: string;
  ownerId: string;
  name: string;
  capabilities: ReadonlySet<string>;
  priceMicro: bigint;
  /** Smoothed, 0–5. */
  rating: number;
  tasksCompleted: number;
  estimatedMs: number;
  /** Milliseconds since the epoch, 0 for never. */
  lastInvitedAt: number;
  version: string;
  sha256: string;
  storageRef: string;
}

/**
 * All agents that can bid, in memory, indexed by capability, so that an auction asks no database. Read again when it
 * is older than a second (statistics), and before the next use when an agent has changed (the feed's signal).
 */
@Injectable()
export class AgentCatalog implements OnApplicationShutdown {
  private readonly prior: { mean: number; weight: number };
  private readonly unsubscribe: () => void;
  private snapshot: Snapshot | null = null;
  private loading: Promise<Snapshot> | null = null;

  constructor(
    private readonly database: DataSource,
    @Inject(EVENT_STREAM) stream: EventStream,
    config: ConfigService<Environment, true>,
  ) {
    const { ratingPriorMean, ratingPriorWeight } = config.get('auction', { infer: true });
    this.prior = { mean: ratingPriorMean, weight: ratingPriorWeight };
    this.unsubscribe = stream.subscribe(({ signals }) => {
      if (signals.some(({ type }) => type.startsWith('agent.'))) this.forget();
    });
  }

  /** Agents that offer at least one of the capabilities; all of them when none is required. */
  async offering(required: readonly string[]): Promise<Candidate[]> {
    const { all, byCapability } = await this.current();
    if (required.length === 0) return all;
    if (required.length === 1) return byCapability.get(required[0]) ?? [];
    return [...new Set(required.flatMap((capability) => byCapability.get(capability) ?? []))];
  }

  /** The same, read from the database now: the signal of a change may still be on its way. */
  async offeringNow(required: readonly string[]): Promise<Candidate[]> {
    this.forget();
    return this.offering(required);
  }

  /** Remembers who got a seat in an auction that could not invite everyone. */
  async recordInvitations(agentIds: string[]): Promise<void> {
    await this.database.query('UPDATE agent_statistics SET last_invited_at = now() WHERE agent_id = ANY($1)', [
      agentIds,
    ]);
  }

  onApplicationShutdown(): void {
    this.unsubscribe();
  }

  private forget(): void {
    this.snapshot = null;
    this.loading = null;
  }

  private async current(): Promise<Snapshot> {
    if (this.snapshot && Date.now() - this.snapshot.loadedAt < MAX_AGE_MS) return this.snapshot;
    const loading = (this.loading ??= this.load());
    try {
      const snapshot = await loading;
      // A signal that came meanwhile has made this load stale: it serves its callers, but is not kept.
      if (this.loading === loading) this.snapshot = snapshot;
      return snapshot;
    } finally {
      if (this.loading === loading) this.loading = null;
    }
  }

  private async load(): Promise<Snapshot> {
    const loadedAt = Date.now();
    const rows: CandidateRow[] = await this.database.query(CANDIDATES);
    const all = rows.map((row) => this.toCandidate(row));
    const byCapability = new Map<string, Candidate[]>();
    for (const candidate of all) {
      for (const capability of candidate.capabilities) {
        const offering = byCapability.get(capability);
        if (offering) offering.push(candidate);
        else byCapability.set(capability, [candidate]);
      }
    }
    return { loadedAt, all, byCapability };
  }

  private toCandidate(row: CandidateRow): Candidate {
    return {
      agentId: row.id,
      ownerId: row.owner_id,
      name: row.name,
      capabilities: new Set(row.capabilities),
      priceMicro: BigInt(row.price_micro),
      rating: smoothedRating(row.rating_sum, row.rating_count, this.prior),
      tasksCompleted: row.tasks_completed,
      estimatedMs: estimateDurationMs(row.duration_p80_ms, row.expected_duration_ms),
      lastInvitedAt: row.last_invited_at?.getTime() ?? 0,
      version: row.version,
      sha256: row.sha256,
      storageRef: row.storage_ref,
    };
  }
}

interface Snapshot {
  loadedAt: number;
  all: Candidate[];
  byCapability: Map<string, Candidate[]>;
}

interface CandidateRow {
  id: string;
  owner_id: string;
  name: string;
  capabilities: string[];
  price_micro: string;
  expected_duration_ms: number | null;
  tasks_completed: number;
  duration_p80_ms: number | null;
  rating_sum: number;
  rating_count: number;
  last_invited_at: Date | null;
  version: string;
  sha256: string;
  storage_ref: string;
}

const CANDIDATES = `
  SELECT a.id, a.owner_id, a.name, a.capabilities, a.price_micro, a.expected_duration_ms,
         s.tasks_completed, s.duration_p80_ms, s.rating_sum, s.rating_count, s.last_invited_at,
         b.version, b.sha256, b.storage_ref
    FROM agents a
    JOIN agent_statistics s ON s.agent_id = a.id
    JOIN agent_binaries b ON b.id = a.active_binary_id
   WHERE a.status = 'active'`;
