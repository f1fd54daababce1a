import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { QueueStatsDto } from './queue.dto.js';

@ApiTags('queue')
@Access('admin')
@Controller('queue')
export class QueueController {
  constructor(@Inject(TASK_QUEUE) private readonly queue: TaskQueue) {}

  /** How much waits and how much is under way, over all workers. */
  @Get('stats')
  @ApiOperation({ operationId: 'getQueueStats' })
  @ApiOkResponse({ type: QueueStatsDto, description: 'The counts at this moment.' })
  @ApiProblems(401, 403)
  stats(): Promise<QueueStatsDto> {
    return this.queue.counts();
  }
}
