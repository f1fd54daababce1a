import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Access } from '../common/access.js';
import { LiveDto, ReadyDto } from './health.dto.js';
import { Health } from './health.js';

@ApiTags('operations')
@Access('public')
@Controller('health')
export class HealthController {
  constructor(private readonly health: Health) {}

  /** The process answers. */
  @Get('live')
  @ApiOperation({ operationId: 'getLiveness' })
  @ApiOkResponse({ type: LiveDto, description: 'It does.' })
  live(): LiveDto {
    return { status: 'ok' };
  }

  /**
   * Everything that this process requires answers; optional dependencies may be down.
   * @remarks Each dependency is checked at most once a second.
   */
  @Get('ready')
  @ApiOperation({ operationId: 'getReadiness' })
  @ApiOkResponse({ type: ReadyDto, description: 'Everything answers.' })
  @ApiServiceUnavailableResponse({
    description: 'A dependency is away.',
    type: ReadyDto,
    example: {
      status: 'not_ready',
      version: '0.1.0',
      dependencies: { database: { status: 'down', required: true, ms: 3, reason: 'ECONNREFUSED' } },
    },
  })
  async ready(@Res({ passthrough: true }) response: Response): Promise<ReadyDto> {
    const report = await this.health.report();
    response.status(report.status === 'ready' ? 200 : 503);
    return report;
  }
}
