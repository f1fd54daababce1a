import { Inject, Injectable } from '@nestjs/common';
import { type AddedVersion, Agent, AgentService, CreateAgentDto, VersionService } from '../agents/index.js';
import type { Caller } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { checkedDto } from '../common/dto.pipe.js';
import { isId } from '../common/ids.js';
import { owns } from '../auth/index.js';
import { BLOB_STORE, type BlobStore, type StagedBlob } from '../storage/index.js';
import { MalwareScan, type ValidationReport, WasmValidator } from '../validation/index.js';
import { UploadFormDto } from './upload.dto.js';

/** From a staged file to a version that bids: check the form, validate the binary, keep both or neither. */
@Injectable()
export class UploadService {
  constructor(
    private readonly agents: AgentService,
    private readonly versions: VersionService,
    private readonly validator: WasmValidator,
    private readonly malware: MalwareScan,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
  ) {}

  /**
   * The agent an upload goes to, asked before the body is read.
   * @returns null: the slug is free, and the form must describe the new agent
   * @throws AppError `not_found` for an unknown id and for somebody else's agent
   */
  async target(caller: Caller, reference: string): Promise<Agent | null> {
    const agent = await this.agents.find(caller, reference);
    if (agent ? !owns(caller, agent.ownerId) : isId(reference)) throw notFound('agent');
    return agent;
  }

  /**
   * Makes a staged binary a version of `target`, or of a new agent named `slug`. The staged file is gone afterwards,
   * whatever happens.
   * @throws AppError `invalid` for the form, `unprocessable` with the validation report for the binary
   */
  async publish(
    caller: Caller,
    target: Agent | null,
    slug: string,
    fields: Record<string, unknown>,
    staged: StagedBlob,
  ): Promise<AddedVersion & { report: ValidationReport }> {
    try {
      const { version, ...card } = checkedDto(UploadFormDto, fields);
      const named = target ? { agent: target, changes: card } : { create: newAgent(slug, card) };
      const report = await this.validator.validate(staged);
      if (report.error) {
        const details = { validation: report };
        throw new AppError('unprocessable', report.error.code, report.error.message, { details });
      }
      const scan = await this.malware.admit(staged.path);
      const upload = { version, sha256: staged.sha256, size: staged.size, validation: report, scan };
      const added = await this.versions.add(caller, named, upload, () => this.blobs.commit(staged));
      return { ...added, report };
    } finally {
      await this.blobs.discard(staged);
    }
  }
}

/** The form's fields under the rules of a registration: what is missing for a new agent is named. */
const newAgent = (slug: string, card: Omit<UploadFormDto, 'version'>): CreateAgentDto =>
  checkedDto(CreateAgentDto, { name: slug, ...definedOnly(card), slug });

const definedOnly = (card: object): object =>
  Object.fromEntries(Object.entries(card).filter(([, value]) => value !== undefined));
