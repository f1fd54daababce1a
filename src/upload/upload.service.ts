import { Injectable } from '@nestjs/common';
import {
  type AddedVersion,
  Agent,
  AgentService,
  assertActive,
  CreateAgentDto,
  noSuchAgent,
  type UploadTarget,
  type VersionLimits,
  VersionService,
} from '../agents/index.js';
import { type Caller, owns } from '../auth/index.js';
import { AppError, type AppErrorKind } from '../common/app-error.js';
import { checkedDto, malformed } from '../common/dto.pipe.js';
import { isId } from '../common/ids.js';
import { assertMayCall, assertOffered } from '../common/permission-rules.js';
import { assertWithin, HostCallConfig, mostPerVersion, SandboxConfig, TaskConfig } from '../config/index.js';
import { BlobLedger, type StagedBlob, Staging } from '../storage/index.js';
import { MalwareScan, type ValidationReport, WasmValidator } from '../validation/index.js';
import { declaredSchema } from './declared-schema.js';
import { uploads, uploadSize } from './metrics.js';
import { UploadFormDto, withObjects } from './upload.dto.js';

/** The target of an upload: an existing agent, or a new one under a free slug. */
export interface Destination {
  agent: Agent | null;
  slug: string;
  /** Only as a replacement of an active version. */
  replacing: boolean;
}

/** Turns a staged file into a version that bids. Every step before the last leaves nothing that counts. */
@Injectable()
export class UploadService {
  private readonly mostPerRun: Required<VersionLimits>;

  constructor(
    private readonly agents: AgentService,
    private readonly versions: VersionService,
    private readonly validator: WasmValidator,
    private readonly malware: MalwareScan,
    private readonly ledger: BlobLedger,
    private readonly staging: Staging,
    sandbox: SandboxConfig,
    tasks: TaskConfig,
    private readonly hostCalls: HostCallConfig,
  ) {
    this.mostPerRun = mostPerVersion(sandbox, tasks);
  }

  /**
   * Finds the target of an upload before its body is read.
   * @param reference id, or slug of one of the caller's own agents
   * @param replacing the agent must exist; otherwise a free slug creates a new one
   * @throws AppError `not_found` for an unknown id, for another user's agent, and (`NO_ACTIVE_VERSION`) if there is
   *   nothing to replace
   */
  async destination(caller: Caller, reference: string, replacing = false): Promise<Destination> {
    const agent = await this.agents.find(caller, reference);
    if (agent ? !owns(caller, agent.ownerId) : replacing || isId(reference)) throw noSuchAgent(reference);
    if (agent && replacing) assertActive(agent);
    return { agent, slug: reference, replacing };
  }

  /**
   * Reads and publishes within the quota of the owner, which is asked before anything is read.
   * @param size most bytes that the binary can have
   * @throws AppError `forbidden` `QUOTA_EXCEEDED`, and what `work` throws
   */
  async within<T>(ownerId: string, size: number, work: () => Promise<T>): Promise<T> {
    const release = await this.ledger.reserve(ownerId, size);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /**
   * Makes a staged binary a version. The staged file is gone afterwards, whatever happens.
   * @throws AppError `invalid` for the form, `unprocessable` with the validation report for the binary, and what
   *   `VersionService.add` throws
   */
  async publish(
    caller: Caller,
    destination: Destination,
    fields: Record<string, unknown>,
    staged: StagedBlob,
  ): Promise<Published> {
    uploadSize.observe(staged.size);
    try {
      const published = await this.admit(caller, destination, fields, staged);
      uploads.inc({ outcome: 'published' });
      return published;
    } catch (error) {
      uploads.inc({ outcome: isRefusal(error) ? 'refused' : 'failed' });
      throw error;
    } finally {
      await this.staging.discard(staged);
    }
  }

  private async admit(
    caller: Caller,
    destination: Destination,
    fields: Record<string, unknown>,
    staged: StagedBlob,
  ): Promise<Published> {
    const { version, limits, permissions, activate, input_schema, output_schema, ...card } = checkedDto(
      UploadFormDto,
      withObjects(fields),
    );
    const inputSchema = declaredSchema('input_schema', input_schema);
    const outputSchema = declaredSchema('output_schema', output_schema);
    if (destination.replacing && activate === false)
      throw malformed([{ field: 'activate', message: 'must not be false: PUT replaces the active version; use POST' }]);
    if (limits) assertWithin(this.mostPerRun, limits);
    assertOffered(permissions, this.hostCalls.offered);
    const target = uploadTarget(destination, card);
    const { sha256, size } = staged;
    const identity = { version, sha256, size, limits, permissions, inputSchema, outputSchema };
    await this.versions.assertAddable(caller, target, identity);
    const report = await this.validate(staged, destination.agent?.ownerId ?? caller.id);
    assertMayCall(report.imports, permissions);
    const scan = await this.malware.admit(staged.path);
    const storageRef = await this.ledger.keep(staged);
    const upload = { ...identity, storageRef, validation: report, scan, activate };
    return { ...(await this.versions.add(caller, target, upload)), report };
  }

  /** @param owner the agent's owner: an admin may upload for another user */
  private async validate(staged: StagedBlob, owner: string): Promise<ValidationReport> {
    const report = await this.validator.validate(staged, owner);
    if (!report.error) return report;
    const details = { validation: report };
    throw new AppError('unprocessable', report.error.code, report.error.message, { details });
  }
}

type Published = AddedVersion & { report: ValidationReport };

const OURS: ReadonlySet<AppErrorKind> = new Set(['unavailable', 'internal', 'full']);

/** The uploader's to mend, not ours. */
const isRefusal = (error: unknown): boolean => error instanceof AppError && !OURS.has(error.kind);

type Card = Omit<UploadFormDto, 'version' | 'limits' | 'permissions' | 'activate' | 'input_schema' | 'output_schema'>;

const uploadTarget = ({ agent, slug, replacing }: Destination, card: Card): UploadTarget =>
  agent ? { agent, changes: card, replacing } : { create: newAgent(slug, card) };

/** Checks the form by the rules of a registration, so that fields missing for a new agent are named. */
const newAgent = (slug: string, card: Card): CreateAgentDto =>
  checkedDto(CreateAgentDto, { name: slug, ...definedOnly(card), slug });

const definedOnly = (card: object): object =>
  Object.fromEntries(Object.entries(card).filter(([, value]) => value !== undefined));
