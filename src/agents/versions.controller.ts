import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Inject,
  Param,
  Post,
  Query,
  Res,
  type StreamableFile,
} from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { PageQuery } from '../common/pagination.js';
import { BLOB_STORE, type BlobStore } from '../storage/index.js';
import { AgentService } from './agent.service.js';
import { answerBinary } from './version-download.js';
import { DownloadQuery, RetiredDto, RetireQuery, VersionDto, VersionPage } from './version.dto.js';
import { VersionService } from './version.service.js';

const BYTES = { 'application/wasm': { schema: { type: 'string', format: 'binary' } } };
const ETAG = { ETag: { schema: { type: 'string' } } };

@ApiTags('binaries')
@Access('agents:read')
@Controller('agents/:id')
export class VersionsController {
  constructor(
    private readonly agents: AgentService,
    private readonly versions: VersionService,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
  ) {}

  /**
   * All versions of one of your own agents, newest first, with their validation reports; retired ones too.
   * @param id UUID of the agent, or your slug for it
   */
  @Get('versions')
  @ApiOperation({ operationId: 'listVersions' })
  @ApiOkResponse({ type: VersionPage, description: 'A page of versions.' })
  @ApiProblems(400, 401, 403, 404)
  async list(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() query: PageQuery,
  ): Promise<VersionPage> {
    return this.versions.list(await this.agents.owned(caller, id), query);
  }

  /**
   * Makes a version the one that bids, at once: back to an earlier one, or forward again.
   * @remarks Tasks that were awarded before keep the version they were awarded with. The active version may be named
   * again; that changes nothing.
   * @param id UUID of the agent, or your slug for it
   * @param version semver of one of its versions
   */
  @Access('agents:write')
  @Post('versions/:version/activate')
  @HttpCode(200)
  @ApiOperation({ operationId: 'activateVersion' })
  @ApiOkResponse({ type: VersionDto, description: 'The version, which bids from now on.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @ApiProblem(409, {
    meaning: 'The version was retired.',
    code: 'VERSION_RETIRED',
    detail: 'Version 1.0.0 was retired for good: upload its successor.',
  })
  async activate(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Param('version') version: string,
  ): Promise<VersionDto> {
    return this.versions.activate(await this.agents.owned(caller, id), version);
  }

  /**
   * Downloads a binary of one of your own agents: the bytes as they were uploaded.
   * @remarks Answers a redirect to an address that has the bytes and works for some minutes; with `redirect=false` the
   * bytes themselves, all or a `Range` of them. `HEAD` never redirects.
   * @param id UUID of the agent, or your slug for it
   */
  @Get('binary')
  @ApiOperation({ operationId: 'downloadBinary' })
  @ApiProduces('application/wasm')
  @ApiHeader({
    name: 'If-None-Match',
    required: false,
    description: 'An `ETag`: the same bytes answer 304.',
    schema: { type: 'string' },
  })
  @ApiHeader({
    name: 'Range',
    required: false,
    description: 'With `redirect=false`, such as `bytes=0-1023`.',
    schema: { type: 'string' },
  })
  @ApiHeader({
    name: 'If-Range',
    required: false,
    description: 'An `ETag`: of other bytes come all.',
    schema: { type: 'string' },
  })
  @ApiOkResponse({ description: 'The bytes; `ETag` is their SHA-256.', headers: ETAG, content: BYTES })
  @ApiResponse({
    status: 206,
    description: 'The range of the bytes that was asked for.',
    headers: ETAG,
    content: BYTES,
  })
  @ApiResponse({
    status: 302,
    description: 'They are at `Location`.',
    headers: { ...ETAG, Location: { schema: { type: 'string' } } },
  })
  @ApiResponse({ status: 304, description: 'You have them: `If-None-Match` names their `ETag`.' })
  @ApiProblems(400, 401, 403, 404)
  @ApiProblem(416, {
    meaning: 'The range begins past the end.',
    code: 'RANGE_NOT_SATISFIABLE',
    detail: 'The binary has 20480 bytes: ask for a range within them.',
  })
  async download(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { version, redirect }: DownloadQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StreamableFile | undefined> {
    const agent = await this.agents.owned(caller, id);
    const binary = await this.versions.get(agent, version);
    return answerBinary(this.blobs, agent, binary, redirect, response);
  }

  /**
   * Retires a version for good, or all of them.
   * @remarks It stays in the list and its number stays taken. Tasks that run it finish with it; then its bytes are
   * deleted. When it was the active one, the agent does not bid until you activate or upload another.
   * @param id UUID of the agent, or your slug for it
   */
  @Access('agents:write')
  @Delete('binary')
  @ApiOperation({ operationId: 'retireBinary' })
  @ApiOkResponse({ type: RetiredDto, description: 'What was retired, and which version bids now.' })
  @ApiProblems(400, 401, 403, 404)
  async retire(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { version }: RetireQuery,
  ): Promise<RetiredDto> {
    return this.versions.retire(await this.agents.owned(caller, id), version);
  }
}
