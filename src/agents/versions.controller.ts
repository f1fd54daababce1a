import { Controller, Get, Inject, Param, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import { IsOptional, IsSemVer, MaxLength } from 'class-validator';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { ApiProblems } from '../common/api-problems.js';
import { BLOB_STORE, type BlobStore } from '../storage/index.js';
import { AgentService } from './agent.service.js';
import { VersionListDto } from './version.dto.js';
import { VersionService } from './version.service.js';

class BinaryQuery {
  /** Unset: the active version. */
  @IsOptional()
  @IsSemVer()
  @MaxLength(64)
  version?: string;
}

@ApiTags('binaries')
@Controller('agents/:id')
export class VersionsController {
  constructor(
    private readonly agents: AgentService,
    private readonly versions: VersionService,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
  ) {}

  /** All versions of one of your own agents, with their validation reports. */
  @Get('versions')
  @ApiProblems(401, 404)
  async list(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<VersionListDto> {
    return { items: await this.versions.list(await this.agents.owned(caller, id)) };
  }

  /** Downloads a binary of one of your own agents: the bytes as they were uploaded. */
  @Get('binary')
  @ApiProduces('application/wasm')
  @ApiOkResponse({ content: { 'application/wasm': { schema: { type: 'string', format: 'binary' } } } })
  @ApiProblems(400, 401, 404)
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
