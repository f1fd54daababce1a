import { Injectable } from '@nestjs/common';
import semver from 'semver';
import { DataSource, type EntityManager, In } from 'typeorm';
import { type Caller, holdAccount } from '../auth/index.js';
import { notFound } from '../common/app-error.js';
import { newId } from '../common/ids.js';
import type { Permissions } from '../common/permissions.dto.js';
import { isWider } from '../common/permissions.js';
import { type Page, type PageQuery, toPage } from '../common/pagination.js';
import { violatedConstraint } from '../database/index.js';
import type { FeedNotice } from '../feed/index.js';
import { BlobLedger, type BlobRef } from '../storage/index.js';
import { type Inactivity, inactivityOf } from './activation.js';
import { AgentBinary, type ScanVerdict, type VersionLimits } from './agent-binary.entity.js';
import type { CreateAgentDto, UpdateAgentDto } from './agent.dto.js';
import { Agent } from './agent.entity.js';
import { AgentService } from './agent.service.js';
import { OwnerQuota } from './owner-quota.js';
import type { RetiredDto, VersionDto } from './version.dto.js';
import { presentRetirement, presentVersion } from './version.presenter.js';
import {
  assertActive,
  gone,
  type Identity,
  nextVersion,
  NUMBERS,
  quarantined,
  sameVersion,
  stalled,
} from './version-rules.js';

/** A checked binary that is about to become a version. */
export interface NewVersion {
  /** semver; unset: the next patch, `1.0.0` for the first */
  version?: string;
  sha256: string;
  size: number;
  /** Reference of its stored bytes, from `BlobLedger.keep`. */
  storageRef: BlobRef;
  validation: object;
  scan: ScanVerdict;
  /** Unset: the server's limits. */
  limits?: VersionLimits;
  /** Unset: it may ask nothing of the host. */
  permissions?: Permissions;
  /** Unset: any input. */
  inputSchema?: object;
  /** Unset: any output. */
  outputSchema?: object;
  /** Whether it becomes active; unset: if it is the highest release, and its permissions are no wider. */
  activate?: boolean;
}

/**
 * Either an existing agent with the form's changes, or the description of a new agent. `replacing`: only if the agent
 * has an active version, which the new one replaces.
 */
export type UploadTarget = { agent: Agent; changes: UpdateAgentDto; replacing: boolean } | { create: CreateAgentDto };

export interface AddedVersion {
  agent: Agent;
  binary: AgentBinary;
  /** `false` if these bytes were already this version. */
  added: boolean;
  /** Why an added version is not active; null if it is. */
  inactivity: Inactivity | null;
  /** The version that bids now; null when none does. */
  activeVersion: string | null;
}

/**
 * The versions of an agent. A version is immutable and its number is never reused. At most one is *active* and bids. A
 * *retired* one can never be active again, and its bytes are deleted once no task needs them.
 */
@Injectable()
export class VersionService {
  constructor(
    private readonly database: DataSource,
    private readonly agents: AgentService,
    private readonly ledger: BlobLedger,
    private readonly quota: OwnerQuota,
  ) {}

  /**
   * Adds a version, and activates it if `inactivityOf` says so. The same transaction creates the agent or changes it as
   * the form says. An existing version is only activated, if the upload says so.
   * @throws AppError `conflict` `VERSION_TAKEN` or `VERSION_RETIRED` for a number that cannot be used again,
   *   `not_found` `NO_ACTIVE_VERSION`, `forbidden` `QUOTA_EXCEEDED`, `unavailable` `UPLOAD_STALLED`
   */
  async add(caller: Caller, target: UploadTarget, upload: NewVersion): Promise<AddedVersion> {
    return this.agents.announced<AddedVersion>(async (transaction) => {
      const ownerId = ownerOf(target, caller);
      await holdAccount(transaction, ownerId);
      const { subject: agent, notice: changed } = await this.lockedOrNew(transaction, caller, target);
      const replacing = 'agent' in target && target.replacing;
      if (replacing) assertActive(agent);
      const existing = await transaction.find(AgentBinary, { where: { agentId: agent.id }, select: NUMBERS });
      const same = sameVersion(agent, existing, upload, replacing);
      const active = existing.find(({ id }) => id === agent.activeBinaryId);
      const activeVersion = active?.version ?? null;
      if (same) {
        const binary = await transaction.findOneByOrFail(AgentBinary, { id: same.id });
        const wanted = upload.activate && binary.id !== agent.activeBinaryId;
        const notice = wanted ? await this.makeActive(transaction, caller, agent, binary) : changed;
        const bids = wanted ? binary.version : activeVersion;
        return { subject: { agent, binary, added: false, inactivity: null, activeVersion: bids }, notice };
      }
      await this.ledger.expectRoom(ownerId, upload.size, transaction);
      const version = upload.version ?? nextVersion(existing);
      const inService = existing.filter((it) => !it.retiredAt && it.scan?.status !== 'infected');
      const inactivity = inactivityOf(
        version,
        inService.map((it) => it.version),
        upload.activate ?? (replacing || undefined),
        active !== undefined && isWider(upload.permissions ?? null, active.permissions),
      );
      const binary = await this.insert(transaction, caller, agent, { ...upload, version });
      if (!inactivity) await transaction.update(Agent, agent.id, { activeBinaryId: binary.id });
      const notice = await this.agents.recordAct(transaction, caller, 'agent.version_uploaded', agent, {
        version,
        sha256: binary.sha256,
        active: !inactivity,
        ...(inactivity && { inactive_because: inactivity }),
      });
      const bids = inactivity ? activeVersion : version;
      return { subject: { agent, binary, added: true, inactivity, activeVersion: bids }, notice };
    });
  }

  /**
   * Refuses early what `add` would refuse after the bytes are stored: a taken number, inconsistent terms, and a full
   * quota.
   * @throws AppError as `add` does
   */
  async assertAddable(caller: Caller, target: UploadTarget, upload: Identity & { size: number }): Promise<void> {
    if ('create' in target) {
      this.agents.assertTermsOf(target.create);
      await this.quota.expectRoomForAgent(this.database.manager, caller.id);
    } else {
      const { agent, changes, replacing } = target;
      this.agents.assertTermsOf(changes, agent);
      const where = { agentId: agent.id };
      const existing = await this.database.getRepository(AgentBinary).find({ where, select: NUMBERS });
      if (sameVersion(agent, existing, upload, replacing)) return;
    }
    await this.ledger.expectRoom(ownerOf(target, caller), upload.size);
  }

  /** A page, newest first. It has fewer versions than `limit` if their reports are large. */
  async list(agent: Agent, { limit, cursor }: PageQuery): Promise<Page<VersionDto>> {
    const reports = await this.database.query<{ id: string; bytes: number }[]>(REPORTS, [
      agent.id,
      cursor ?? null,
      limit + 1,
    ]);
    let bytes = 0;
    const passed = reports.findIndex((report) => (bytes += report.bytes) > MOST_REPORT_BYTES);
    const fitting = Math.min(limit, passed < 0 ? limit : Math.max(passed, 1));
    const page = toPage(reports, fitting, ({ id }) => id);
    const where = { id: In(page.items) };
    const binaries = await this.database.getRepository(AgentBinary).find({ where, order: { id: 'DESC' } });
    return { ...page, items: binaries.map((binary) => presentVersion(binary, agent.activeBinaryId)) };
  }

  /** A version in service. @param version unset: the active one @throws AppError `not_found` */
  async get(agent: Agent, version?: string): Promise<AgentBinary & { storageRef: BlobRef }> {
    if (version === undefined) assertActive(agent);
    const where = version === undefined ? { id: agent.activeBinaryId! } : { agentId: agent.id, version };
    const binary = await this.database.getRepository(AgentBinary).findOneBy(where);
    if (!binary) throw notFound('version');
    if (binary.retiredAt || binary.storageRef === null) throw gone('not_found', binary);
    return Object.assign(binary, { storageRef: binary.storageRef });
  }

  /**
   * Makes a version the one that bids from now on, newer or older than the last. Tasks already awarded keep theirs.
   * @throws AppError `not_found`, `conflict` `VERSION_RETIRED` or `VERSION_QUARANTINED`
   */
  async activate(caller: Caller, agent: Agent, version: string): Promise<VersionDto> {
    if (!semver.valid(version)) throw notFound('version');
    return this.agents.announced(async (transaction) => {
      const locked = await this.agents.lock(transaction, agent.id);
      const binary = await transaction.findOneBy(AgentBinary, { agentId: agent.id, version });
      if (!binary) throw notFound('version');
      if (binary.retiredAt) throw gone('conflict', binary);
      const subject = presentVersion(binary, binary.id);
      if (locked.activeBinaryId === binary.id) return { subject };
      return { subject, notice: await this.makeActive(transaction, caller, locked, binary) };
    });
  }

  /**
   * Retires one version, or all in service. No other version becomes active by itself: the agent does not bid until its
   * owner activates or uploads one.
   * @throws AppError `not_found` for an unknown version
   */
  async retire(caller: Caller, agent: Agent, version?: string): Promise<RetiredDto> {
    return this.agents.announced(async (transaction) => {
      const locked = await this.agents.lock(transaction, agent.id);
      const binaries = await transaction.find(AgentBinary, { where: { agentId: agent.id }, select: NUMBERS });
      const named = version === undefined ? binaries : binaries.filter((binary) => binary.version === version);
      if (version !== undefined && named.length === 0) throw notFound('version');
      const inService = named.filter((binary) => !binary.retiredAt);
      const active = binaries.find((binary) => binary.id === locked.activeBinaryId && !inService.includes(binary));
      const subject = presentRetirement(agent, inService, active);
      if (inService.length === 0) return { subject };
      await transaction.update(AgentBinary, { id: In(inService.map(({ id }) => id)) }, { retiredAt: () => 'now()' });
      if (!active) await transaction.update(Agent, agent.id, { activeBinaryId: null });
      const { retired, active_version } = subject;
      const data = { versions: retired, active_version };
      const notice = await this.agents.recordAct(transaction, caller, 'agent.version_retired', locked, data);
      return { subject, notice };
    });
  }

  /** @throws AppError `conflict` `VERSION_QUARANTINED` */
  private async makeActive(
    transaction: EntityManager,
    caller: Caller,
    agent: Agent,
    binary: AgentBinary,
  ): Promise<FeedNotice> {
    const { id, version, sha256, scan } = binary;
    if (scan?.status === 'infected') throw quarantined(binary, scan);
    await transaction.update(Agent, agent.id, { activeBinaryId: id });
    return this.agents.recordAct(transaction, caller, 'agent.version_activated', agent, { version, sha256 });
  }

  /** Locks the agent's row, so that concurrent uploads see each other's versions. */
  private lockedOrNew(
    transaction: EntityManager,
    caller: Caller,
    target: UploadTarget,
  ): Promise<{ subject: Agent; notice?: FeedNotice }> {
    if ('create' in target) return this.agents.insert(transaction, caller, target.create);
    return this.agents.change(transaction, caller, target.agent.id, target.changes);
  }

  private async insert(
    transaction: EntityManager,
    caller: Caller,
    agent: Agent,
    upload: NewVersion & { version: string },
  ): Promise<AgentBinary> {
    const id = newId();
    const binary = transaction.create(AgentBinary, {
      ...upload,
      limits: upload.limits ?? null,
      permissions: upload.permissions ?? null,
      inputSchema: upload.inputSchema ?? null,
      outputSchema: upload.outputSchema ?? null,
      id,
      agentId: agent.id,
      uploadedBy: caller.id,
    });
    await transaction.insert(AgentBinary, binary).catch((error: unknown) => {
      if (violatedConstraint(error) === 'agent_binaries_blob_fkey') throw stalled();
      throw error;
    });
    return binary;
  }
}

/**
 * Limit of report and schema bytes per page. A crafted binary can have a report of megabytes, and each megabyte blocks the process for
 * some 20 ms. A single larger report is a page by itself.
 */
const MOST_REPORT_BYTES = 1_000_000;

const REPORTS = `
  SELECT id, octet_length(validation::text) + coalesce(octet_length(input_schema::text), 0)
             + coalesce(octet_length(output_schema::text), 0) AS bytes
    FROM agent_binaries
   WHERE agent_id = $1 AND ($2::uuid IS NULL OR id < $2)
   ORDER BY id DESC
   LIMIT $3`;

/** The owner whose quota an upload counts towards. */
const ownerOf = (target: UploadTarget, caller: Caller): string =>
  'agent' in target ? target.agent.ownerId : caller.id;
