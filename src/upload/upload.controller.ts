import { applyDecorators, Controller, HttpCode, Param, Post, Put, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { type Agent, inactivityText } from '../agents/index.js';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { NeedsRoom } from '../common/needs-room.js';
import { mostBytesOf } from '../common/request-body.js';
import { StorageConfig } from '../config/index.js';
import { Deposits, Staging } from '../storage/index.js';
import { ValidationReport } from '../validation/index.js';
import { UploadedDto } from './upload.dto.js';
import { readUploadForm } from './upload-form.js';
import { type Destination, UploadService } from './upload.service.js';

/** What POST and PUT share: the form, and its refusals. */
const ApiUpload = () =>
  applyDecorators(
    ApiConsumes('multipart/form-data'),
    ApiBody({
      schema: {
        type: 'object',
        properties: {
          wasm_binary: { type: 'string', format: 'binary', description: 'A WASI preview 1 command module.' },
          deposit: {
            type: 'string',
            // No example: the page would send it beside the file, which is refused.
            description: 'Token of a deposit, instead of the file: see `POST /deposits`.',
          },
          name: { type: 'string', maxLength: 120, example: 'MyAgent' },
          description: { type: 'string', maxLength: 2000, example: 'AI agent for data processing' },
          version: { type: 'string', example: '1.0.0', description: 'semver; unset: the next patch.' },
          capabilities: {
            type: 'string',
            example: 'data-processing,machine-learning',
            description: '`a,b`, a repeated field, or a JSON array. A new agent needs them.',
          },
          price: { type: 'string', example: '0.50', description: 'Credits for one task. A new agent needs it.' },
          price_per_kb: {
            type: 'string',
            example: '0.001',
            description: 'Credits added for each started KiB of the input.',
          },
          surge: { type: 'number', example: 1.5, description: 'Factor on the price at full load.' },
          max_concurrency: { type: 'integer', example: 4, description: 'Concurrent tasks it accepts.' },
          region: { type: 'string', example: 'eu-central', description: 'Its region.' },
          expected_duration_ms: { type: 'integer', example: 40, description: 'Your estimate of one run.' },
          limits: {
            type: 'string',
            example: '{"timeout_ms":5000,"memory_mb":64,"cpu_ms":2000,"output_bytes":65536}',
            description:
              'Limits of one run of this version, as JSON, where they are lower than those of the server. A task may lower them further.',
          },
          input_schema: {
            type: 'string',
            example: '{"type":"object","required":["text"],"properties":{"text":{"type":"string"}}}',
            description: 'JSON Schema of the inputs that this version takes. It does not bid for others.',
          },
          output_schema: {
            type: 'string',
            example: '{"type":"object","required":["summary"]}',
            description: 'JSON Schema of the outputs that this version gives. A run with another output fails.',
          },
        },
      },
    }),
    ApiOkResponse({ type: UploadedDto, description: 'These bytes were already this version.' }),
    ApiProblems(400, 401, 403),
    ApiProblem(409, {
      meaning: 'The version exists with other bytes, or was retired.',
      code: 'VERSION_TAKEN',
      detail: 'Version 1.0.0 exists with other bytes: choose a higher one.',
    }),
    ApiProblem(413, {
      meaning: 'The binary or the form is larger than its limit.',
      code: 'BLOB_TOO_LARGE',
      detail: 'The binary is larger than 52428800 bytes.',
    }),
    ApiProblem(415, {
      meaning: 'The body is not a form.',
      code: 'MULTIPART_EXPECTED',
      detail: 'Send the form as multipart/form-data, as `curl -F` does.',
    }),
    ApiProblem(422, {
      meaning:
        'The binary cannot be an agent; `validation` says why. Or `MALWARE_FOUND`: the virus scanner found malware.',
      code: 'ENTRY_POINT_MISSING',
      detail:
        'The module exports no function "_start". Build a command with a main function, not a library or reactor.',
      members: { validation: { $ref: getSchemaPath(ValidationReport) } },
    }),
    ApiProblem(503, {
      meaning: 'The virus scanner is away, and the server accepts no unscanned binaries. Nothing was stored.',
      code: 'SCANNER_AWAY',
      detail: 'The binary cannot be scanned for malware now, and nothing was stored: upload it again in a minute.',
    }),
  );

/** What a new active version means for the agent. */
const WHAT_FOLLOWS: Record<Agent['moderation'], string> = {
  allowed: 'the agent bids for tasks',
  pending: 'the agent bids once an administrator has approved it',
  blocked: 'the agent is blocked by an administrator and does not bid',
};

@ApiTags('binaries')
@Access('agents:write')
@Controller('agents/:id/binary')
export class UploadController {
  constructor(
    private readonly uploads: UploadService,
    private readonly staging: Staging,
    private readonly deposits: Deposits,
    private readonly limits: StorageConfig,
  ) {}

  /**
   * Uploads a binary as a version of one of your agents; the highest release bids.
   * @remarks A new slug creates an agent from the form. For an existing agent, the given fields change and the others
   *   stay. The version becomes active if it is the highest release in service, or as `activate` says. `active` and
   *   `message` of the answer report it. A pre-release becomes active by itself only while there is no release. The
   *   file may come before or after the other fields. Uploading identical bytes as an existing version changes nothing
   *   and answers 200.
   * @param reference UUID of the agent, or your slug for it; a new slug creates a new agent
   */
  @Post()
  @ApiOperation({ operationId: 'uploadBinary' })
  @NeedsRoom()
  @ApiUpload()
  @ApiCreatedResponse({ type: UploadedDto, description: 'A new version. `active` says whether it bids from now on.' })
  @ApiProblems(404)
  async upload(
    @CurrentCaller() caller: Caller,
    @Param('id') reference: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadedDto> {
    return this.publish(caller, await this.uploads.destination(caller, reference), request, response);
  }

  /**
   * Replaces the active version of one of your agents by a new one.
   * @remarks The replaced version stays in the list and can be activated again. The active version's own bytes change
   *   nothing and answer 200. PUT does not create an agent; POST does.
   * @param reference UUID of the agent, or your slug for it
   */
  @Put()
  @HttpCode(201)
  @ApiOperation({ operationId: 'replaceBinary' })
  @NeedsRoom()
  @ApiUpload()
  @ApiCreatedResponse({ type: UploadedDto, description: 'A new version, which bids from now on.' })
  @ApiProblem(404, {
    meaning: 'The agent does not exist, is not yours, or has no active version.',
    code: 'NO_ACTIVE_VERSION',
    detail: 'The agent has no active version: upload one with POST, or activate an existing one.',
  })
  async replace(
    @CurrentCaller() caller: Caller,
    @Param('id') reference: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadedDto> {
    return this.publish(caller, await this.uploads.destination(caller, reference, true), request, response);
  }

  private async publish(
    caller: Caller,
    destination: Destination,
    request: Request,
    response: Response,
  ): Promise<UploadedDto> {
    const { deposit, published } = await this.read(caller, destination, request);
    const { agent, binary, added, inactivity, activeVersion, report } = published;
    if (deposit) await this.deposits.remove(deposit).catch(() => undefined); // the cleanup's, then
    response.status(added ? 201 : 200);
    return {
      agent_id: agent.id,
      binary_url: `/api/v1/agents/${agent.id}/binary?version=${encodeURIComponent(binary.version)}`,
      binary_hash: binary.sha256,
      binary_size: binary.size,
      status: added ? 'uploaded' : 'unchanged',
      active: binary.version === activeVersion,
      message: added
        ? inactivity
          ? inactivityText(binary.version, inactivity, activeVersion)
          : `Version ${binary.version} is active: ${WHAT_FOLLOWS[agent.moderation]}.`
        : `These bytes are already version ${binary.version}; no version was added. ` +
          `${activeVersion ? `Version ${activeVersion} is active.` : 'No version is active.'}`,
      version: binary.version,
      validation: report,
      limits: binary.limits,
      permissions: binary.permissions,
      scan: binary.scan,
      input_schema: binary.inputSchema,
      output_schema: binary.outputSchema,
    };
  }

  /** Reads the form or the deposit that it names, and publishes it; each within the owner's quota. */
  private async read(caller: Caller, destination: Destination, request: Request) {
    const ownerId = destination.agent?.ownerId ?? caller.id;
    const most = mostBytesOf(request, this.limits.maxBinaryBytes);
    const { fields, deposit, published } = await this.uploads.within(ownerId, most, async () => {
      const { staged, ...form } = await readUploadForm(request, this.staging, this.limits);
      return { ...form, published: staged && (await this.uploads.publish(caller, destination, form.fields, staged)) };
    });
    if (published) return { published };
    const token = deposit as string;
    const { size } = this.deposits.announcedBy(caller.id, token);
    const brought = await this.uploads.within(ownerId, size, async () =>
      this.uploads.publish(caller, destination, fields, await this.deposits.stage(caller.id, token)),
    );
    return { deposit, published: brought };
  }
}
