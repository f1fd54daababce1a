import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { QueueStatsDto } from './queue.dto.js';
import { TaskLookup } from './task-lookup.js';

@ApiTags('queue')
@Access('admin')
@Controller('queue')
export class QueueController {
  constructor(
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    private readonly lookup: TaskLookup,
  ) {}

  /** How much waits and how much is under way, over all workers. */
  @Get('stats')
  @ApiOperation({ operationId: 'getQueueStats' })
  @ApiOkResponse({ type: QueueStatsDto, description: 'The counts at this moment.' })
  @ApiProblems(401, 403)
  async stats(): Promise<QueueStatsDto> {
    const [counts, paused, waiting] = await Promise.all([
      this.queue.counts(),
      this.queue.isPaused(),
      this.lookup.waiting(),
    ]);
    const { critical, high, normal, low } = waiting;
    const levels = Object.values(waiting);
    const oldest = levels.flatMap(({ oldest_ms }) => oldest_ms ?? []);
    return {
      ...counts,
      held: levels.reduce((sum, { held }) => sum + held, 0),
      paused,
      waiting_by_priority: { critical: critical.count, high: high.count, normal: normal.count, low: low.count },
      oldest_waiting_ms: oldest.length > 0 ? Math.max(...oldest) : null,
    };
  }

  /** Lets no worker take another task, until it is resumed; what is under way goes on, and tasks may be submitted. */
  @Post('pause')
  @HttpCode(200)
  @ApiOperation({ operationId: 'pauseQueue' })
  @ApiOkResponse({ type: QueueStatsDto, description: 'The queue, paused.' })
  @ApiProblems(401, 403)
  async pause(): Promise<QueueStatsDto> {
    await this.queue.pause();
    return this.stats();
  }

  /** Lets the workers go on after a pause. */
  @Post('resume')
  @HttpCode(200)
  @ApiOperation({ operationId: 'resumeQueue' })
  @ApiOkResponse({ type: QueueStatsDto, description: 'The queue, at work.' })
  @ApiProblems(401, 403)
  async resume(): Promise<QueueStatsDto> {
    await this.queue.resume();
    return this.stats();
  }
}
