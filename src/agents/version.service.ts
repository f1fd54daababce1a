import { Injectable } from '@nestjs/common';
import semver from 'semver';
import { DataSource, type EntityManager } from 'typeorm';
import type { Caller } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { newId } from '../common/ids.js';
import type { FeedNotice } from '../feed/index.js';
import type { BlobRef } from '../storage/index.js';
import { AgentBinary, type ScanVerdict } from './agent-binary.entity.js';
import type { CreateAgentDto, UpdateAgentDto } from './agent.dto.js';
import { Agent } from './agent.entity.js';
import { AgentService } from './agent.service.js';
import type { VersionDto } from './version.dto.js';

/** A checked binary on its way to become a version. */
export interface NewVersion {
  /** semver; unset: the next patch, `1.0.0` for the first */
  version?: string;
  sha256: string;
  size: number;
  validation: object;
  scan: ScanVerdict;
}

/** An agent that exists, with what the form changes of it; or the description of a new one. */
export type UploadTarget = { agent: Agent; changes: UpdateAgentDto } | { create: CreateAgentDto };

export interface AddedVersion {
  agent: Agent;
  binary: AgentBinary;
  /** `false` when the same bytes were already this version: nothing was written. */
  added: boolean;
}

/** The versions of an agent: immutable binaries, of which exactly one is active. */
@Injectable()
export class VersionService {
  constructor(
    private readonly database: DataSource,
    private readonly agents: AgentService,
  ) {}

  /**
   * Adds a version and activates it, in one transaction that also creates the agent or changes the agent as the form says.
   * @param store makes the bytes permanent; called last, so that nothing is kept of a version that is refused
   * @throws AppError `conflict` `VERSION_TAKEN` when the version exists with other bytes
   */
  async add(
    caller: Caller,
    target: UploadTarget,
    upload: NewVersion,
    store: () => Promise<BlobRef>,
  ): Promise<AddedVersion> {
    return this.agents.announced<AddedVersion>(async (transaction) => {
      const { subject: agent, notice: changed } = await this.lockedOrNew(transaction, caller, target);
      const existing = await transaction.findBy(AgentBinary, { agentId: agent.id });
      const version = upload.version ?? nextVersion(existing);
      const same = existing.find((binary) => binary.version === version);
      if (same && same.sha256 !== upload.sha256) {
        throw new AppError(
          'conflict',
          'VERSION_TAKEN',
          `Version ${version} exists with other bytes: choose a higher one.`,
        );
      }
      if (same) return { subject: { agent, binary: same, added: false }, notice: changed };
      const binary = await this.insert(transaction, caller, agent, version, upload, store);
      await transaction.update(Agent, agent.id, { activeBinaryId: binary.id });
      const notice = await this.agents.record(transaction, 'agent.version_uploaded', agent, {
        version,
        sha256: binary.sha256,
      });
      return { subject: { agent, binary, added: true }, notice };
    });
  }

  async list(agent: Agent): Promise<VersionDto[]> {
    const binaries = await this.database.getRepository(AgentBinary).find({
      where: { agentId: agent.id },
      order: { id: 'DESC' },
    });
    return binaries.map((binary) => ({
      version: binary.version,
      binary_hash: binary.sha256,
      binary_size: binary.size,
      active: binary.id === agent.activeBinaryId,
      validation: binary.validation as Record<string, unknown>,
      scan: binary.scan,
      uploaded_by: binary.uploadedBy,
      created_at: binary.createdAt.toISOString(),
    }));
  }

  /** @param version unset: the active one @throws AppError `not_found` */
  async get(agent: Agent, version?: string): Promise<AgentBinary> {
    const where = version === undefined ? { id: agent.activeBinaryId ?? undefined } : { agentId: agent.id, version };
    if (version === undefined && !agent.activeBinaryId) throw notFound('version');
    const binary = await this.database.getRepository(AgentBinary).findOneBy(where);
    if (!binary) throw notFound('version');
    return binary;
  }

  /** Holds the agent's row, so that concurrent uploads see each other's versions. */
  private lockedOrNew(
    transaction: EntityManager,
    caller: Caller,
    target: UploadTarget,
  ): Promise<{ subject: Agent; notice?: FeedNotice }> {
    if ('create' in target) return this.agents.insert(transaction, caller.id, target.create);
    return this.agents.change(transaction, target.agent.id, target.changes);
  }

  private async insert(
    transaction: EntityManager,
    caller: Caller,
    agent: Agent,
    version: string,
    upload: NewVersion,
    store: () => Promise<BlobRef>,
  ): Promise<AgentBinary> {
    const binary = transaction.create(AgentBinary, {
      id: newId(),
      agentId: agent.id,
      version,
      sha256: upload.sha256,
      size: upload.size,
      validation: upload.validation,
      scan: upload.scan,
      storageRef: await store(),
      uploadedBy: caller.id,
    });
    await transaction.insert(AgentBinary, binary);
    return binary;
  }
}

/** The patch after the highest version there is. */
function nextVersion(existing: AgentBinary[]): string {
  const [highest] = semver.rsort(existing.map((binary) => binary.version));
  return highest ? (semver.inc(highest, 'patch') as string) : '1.0.0';
}
