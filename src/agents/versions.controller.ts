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
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { PageQuery } from '../common/pagination.js';
import { answerBlob, ApiDownload, BLOB_STORE, type BlobStore } from '../storage/index.js';
import { AgentService } from './agent.service.js';
import { DownloadQuery, RetiredDto, RetireQuery, VersionDto, VersionPage } from './version.dto.js';
import { VersionService } from './version.service.js';

const MEDIA_TYPE = 'application/wasm';

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
   * All versions of one of your own agents, newest first, with their validation reports; includes retired ones.
   * @remarks If the reports are large, a page has fewer versions than `limit`.
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
   * Makes a version the one that bids, at once: an earlier or a later one.
   * @remarks Tasks already awarded keep the version they were awarded with. Naming the active version again changes
   *   nothing.
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
    return this.versions.activate(caller, await this.agents.owned(caller, id), version);
  }

  /**
   * Downloads a binary of one of your own agents: the bytes as they were uploaded.
   * @remarks Answers a redirect to an address that has the bytes and works for some minutes. With `redirect=false` it
   *   answers the bytes themselves, all or a `Range` of them. `HEAD` never redirects.
   * @param id UUID of the agent, or your slug for it
   */
  @Get('binary')
  @ApiOperation({ operationId: 'downloadBinary' })
  @ApiDownload(MEDIA_TYPE)
  async download(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { version, redirect }: DownloadQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StreamableFile | undefined> {
    const agent = await this.agents.owned(caller, id);
    const { storageRef: ref, sha256, size, ...binary } = await this.versions.get(agent, version);
    const filename = `${agent.slug}-${binary.version}.wasm`;
    return answerBlob(this.blobs, { ref, size, sha256, filename, contentType: MEDIA_TYPE }, redirect, response);
  }

  /**
   * Retires a version for good, or all of them.
   * @remarks It stays in the list and its number stays taken. Tasks that run it finish with it; then its bytes are
   *   deleted. If it was active, the agent does not bid until you activate or upload another.
   * @param id UUID of the agent, or your slug for it
   */
  @Access('agents:write')
  @Delete('binary')
  @ApiOperation({ operationId: 'retireBinary' })
  @ApiOkResponse({ type: RetiredDto, description: 'The retired versions, and the version that bids now.' })
  @ApiProblems(400, 401, 403, 404)
  async retire(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { version }: RetireQuery,
  ): Promise<RetiredDto> {
    return this.versions.retire(caller, await this.agents.owned(caller, id), version);
  }
}
