import { Controller, Get, Res, SetMetadata } from '@nestjs/common';
import { ApiTags, ApiResponse } from '@nestjs/swagger';
import type { Response } from 'express';
import { PUBLIC } from '../common/access.js';
import { DependencyHealth, Health } from './health.js';

class LiveDto {
  status: 'ok';
}

class ReadyDto {
  status: 'ready' | 'not_ready';
  dependencies: Record<string, DependencyHealth>;
}

@ApiTags('operations')
@SetMetadata(PUBLIC, true)
@Controller('health')
export class HealthController {
  constructor(private readonly health: Health) {}

  /** The process answers. */
  @Get('live')
  live(): LiveDto {
    return { status: 'ok' };
  }

  /** Everything this process depends on answers; 503 when something does not. */
  @Get('ready')
  @ApiResponse({ status: 503, description: 'A dependency is away.', type: ReadyDto })
  async ready(@Res({ passthrough: true }) response: Response): Promise<ReadyDto> {
    const dependencies = await this.health.check();
    const ready = Object.values(dependencies).every(({ status }) => status === 'up');
    response.status(ready ? 200 : 503);
    return { status: ready ? 'ready' : 'not_ready', dependencies };
  }
}
