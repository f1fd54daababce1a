import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { registry } from './metrics.js';

@ApiTags('operations')
@Access('admin')
@Controller('metrics')
export class MetricsController {
  /** Metrics of this process in Prometheus' text format. A scraper reads them at `METRICS_PORT`, without a login. */
  @Get()
  @Header('Content-Type', registry.contentType)
  @ApiOperation({ operationId: 'getMetrics' })
  @ApiProduces('text/plain')
  @ApiOkResponse({ description: 'The current metrics.', schema: { type: 'string' } })
  @ApiProblems(401, 403)
  metrics(): Promise<string> {
    return registry.metrics();
  }
}
