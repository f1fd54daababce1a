import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { QueueAdmin } from './queue-admin.service.js';
import { DashboardLinkDto, DrainDto, DrainedDto, QueueStatsDto, RetriedDto, RetryFailedDto } from './queue.dto.js';
import { TaskBacklog } from '../tasks/index.js';

@ApiTags('queue')
@Access('admin')
@Controller('queue')
export class QueueController {
  constructor(
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    private readonly backlog: TaskBacklog,
    private readonly admin: QueueAdmin,
  ) {}

  /** How much waits and how much is under way, over all workers. */
  @Get('stats')
  @ApiOperation({ operationId: 'getQueueStats' })
  @ApiOkResponse({ type: QueueStatsDto, description: 'The counts at this moment.' })
  @ApiProblems(401, 403)
  async stats(): Promise<QueueStatsDto> {
    const [counts, paused, waiting, { later }] = await Promise.all([
      this.queue.counts(),
      this.queue.isPaused(),
      this.backlog.waiting(),
      this.backlog.countLines(),
    ]);
    const { critical, high, normal, low } = waiting;
    const levels = Object.values(waiting);
    const oldest = levels.flatMap(({ oldest_ms }) => oldest_ms ?? []);
    return {
      waiting: counts.waiting,
      active: counts.active,
      delayed: counts.delayed + later,
      held: levels.reduce((sum, { throttled }) => sum + throttled, 0),
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
  async pause(@CurrentCaller() caller: Caller): Promise<QueueStatsDto> {
    await this.admin.pause(caller);
    return this.stats();
  }

  /** Lets the workers go on after a pause. */
  @Post('resume')
  @HttpCode(200)
  @ApiOperation({ operationId: 'resumeQueue' })
  @ApiOkResponse({ type: QueueStatsDto, description: 'The queue, at work.' })
  @ApiProblems(401, 403)
  async resume(@CurrentCaller() caller: Caller): Promise<QueueStatsDto> {
    await this.admin.resume(caller);
    return this.stats();
  }

  /**
   * Cancels tasks that wait, oldest first: everybody's, or one user's. What is under way goes on.
   * @remarks At most `limit` by one call; call again while `waiting` is above 0. Each submitter reads the reason as the error
   * `DRAINED` of the task. Pause the queue first where no worker should take another one meanwhile.
   */
  @Post('drain')
  @HttpCode(200)
  @ApiOperation({ operationId: 'drainQueue' })
  @ApiOkResponse({ type: DrainedDto, description: 'How many were cancelled, and how many wait still.' })
  @ApiProblems(400, 401, 403, 413, 415)
  drain(@CurrentCaller() caller: Caller, @Body() dto: DrainDto): Promise<DrainedDto> {
    return this.admin.drain(caller, dto);
  }

  /**
   * Repeats failed tasks as new ones, the oldest first: for example those that failed in an outage.
   * @remarks As `POST /tasks/{id}/retry` for each task without a retry whose deadline has not passed; at most `limit` per call.
   * A retry can fail for the same reason: find the cause before you call again.
   */
  @Post('retry')
  @HttpCode(200)
  @ApiOperation({ operationId: 'retryFailedTasks' })
  @ApiOkResponse({ type: RetriedDto, description: 'How many were retried, and how many could still be.' })
  @ApiProblems(400, 401, 403, 413, 415)
  retry(@CurrentCaller() caller: Caller, @Body() dto: RetryFailedDto): Promise<RetriedDto> {
    return this.admin.retryFailed(caller, dto);
  }

  /**
   * A link to the queue's page for your browser. The page only reads: Bull Board on Redis, a list of entries on PostgreSQL.
   * @remarks The link is good for a minute and for one use; the browser then stays let in until the access token that you ask
   * with expires; with an API key, as long as an access token lives.
   */
  @Post('dashboard')
  @ApiOperation({ operationId: 'openQueueDashboard' })
  @ApiCreatedResponse({ type: DashboardLinkDto, description: 'Where to look.' })
  @ApiProblems(401, 403)
  dashboard(@CurrentCaller() caller: Caller): Promise<DashboardLinkDto> {
    return this.admin.openDashboard(caller);
  }
}
