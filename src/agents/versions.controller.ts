import { Controller, Get, Inject, Param, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { BLOB_STORE, type BlobStore } from '../storage/index.js';
import { AgentService } from './agent.service.js';
import { BinaryQuery, VersionListDto } from './version.dto.js';
import { VersionService } from './version.service.js';

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
   * All versions of one of your own agents, with their validation reports.
   * @param id UUID of the agent, or your slug for it
   */
  @Get('versions')
  @ApiOperation({ operationId: 'listVersions' })
  @ApiOkResponse({ type: VersionListDto, description: 'Every version there is.' })
  @ApiProblems(401, 403, 404)
  async list(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<VersionListDto> {
    return { items: await this.versions.list(await this.agents.owned(caller, id)) };
  }

  /**
   * Downloads a binary of one of your own agents: the bytes as they were uploaded.
   * @param id UUID of the agent, or your slug for it
   */
  @Get('binary')
  @ApiOperation({ operationId: 'downloadBinary' })
  @ApiProduces('application/wasm')
  @ApiOkResponse({
    description: 'The bytes; `ETag` is their SHA-256.',
    headers: { ETag: { schema: { type: 'string' } } },
    content: { 'application/wasm': { schema: { type: 'string', format: 'binary' } } },
  })
  @ApiProblems(400, 401, 403, 404)
  async download(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { version }: BinaryQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StreamableFile> {
    const agent = await this.agents.owned(caller, id);
    const binary = await this.versions.get(agent, version);
    response.setHeader('ETag', `"${binary.sha256}"`);
    return new StreamableFile(await this.blobs.open(binary.storageRef), {
      type: 'application/wasm',
      length: binary.size,
      disposition: `attachment; filename="${agent.slug}-${binary.version}.wasm"`,
    });
  }
}
