import { Controller, Get, Inject } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequireRole } from '../auth/index.js';
import { ApiProblems } from '../common/api-problems.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';

class QueueStatsDto {
  /** Tasks no worker has taken yet. */
  waiting: number;
  /** Tasks a worker holds. */
  active: number;
  /** Tasks that wait for another try after a fault of the server's. */
  delayed: number;
}

@ApiTags('queue')
@RequireRole('admin')
@Controller('queue')
export class QueueController {
  constructor(@Inject(TASK_QUEUE) private readonly queue: TaskQueue) {}

  /** How much waits and how much is under way, over all workers. */
  @Get('stats')
  @ApiProblems(401, 403)
  stats(): Promise<QueueStatsDto> {
    return this.queue.counts();
  }
}
