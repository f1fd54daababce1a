import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { ScoreboardDto } from './scoreboard.dto.js';
import { ListTasksQuery, RateTaskDto, SubmitTaskDto, TaskDto, TaskPage, TaskResultDto } from './task.dto.js';
import { COMPLETED_TASK, QUEUED_TASK, SUBMISSION_EXAMPLES } from './task.examples.js';
import { TaskService } from './task.service.js';

@ApiTags('tasks')
@Access('tasks:read')
@Controller('tasks')
export class TasksController {
  constructor(private readonly tasks: TaskService) {}

  /**
   * Submits a task.
   * @remarks The answer comes once the task is safely stored; an auction then picks the agent that does it. Follow it by its
   * events, or ask for it again.
   */
  @Access('tasks:write')
  @Post()
  @HttpCode(202)
  @ApiOperation({ operationId: 'submitTask' })
  @ApiBody({ type: SubmitTaskDto, examples: SUBMISSION_EXAMPLES })
  @ApiAcceptedResponse({
    type: TaskDto,
    description: 'The task, queued; `Location` is its address.',
    headers: { Location: { schema: { type: 'string' } } },
    example: QUEUED_TASK,
  })
  @ApiProblems(400, 401, 403, 413, 415)
  async submit(
    @CurrentCaller() caller: Caller,
    @Body() dto: SubmitTaskDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TaskDto> {
    const task = await this.tasks.submit(caller, dto);
    response.location(`/api/v1/tasks/${task.id}`);
    return task;
  }

  /** Your tasks, newest first. */
  @Get()
  @ApiOperation({ operationId: 'listTasks' })
  @ApiOkResponse({ type: TaskPage, description: 'A page of tasks, without inputs and results.' })
  @ApiProblems(400, 401, 403)
  list(@CurrentCaller() caller: Caller, @Query() query: ListTasksQuery): Promise<TaskPage> {
    return this.tasks.list(caller, query);
  }

  /**
   * A task with its attempts and, once completed, its result.
   * @param id UUID of the task
   */
  @Get(':id')
  @ApiOperation({ operationId: 'getTask' })
  @ApiOkResponse({ type: TaskDto, description: 'The task as it stands.', example: COMPLETED_TASK })
  @ApiProblems(401, 403, 404)
  get(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<TaskDto> {
    return this.tasks.get(caller, id);
  }

  /**
   * How the task stands and, once it has ended, what came out.
   * @param id UUID of the task
   */
  @Get(':id/result')
  @ApiOperation({ operationId: 'getTaskResult' })
  @ApiOkResponse({ type: TaskResultDto, description: 'The outcome so far.' })
  @ApiProblems(401, 403, 404)
  result(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<TaskResultDto> {
    return this.tasks.result(caller, id);
  }

  /**
   * Why this agent: every bid with every term of its score, and who was excluded for what reason.
   * @param id UUID of the task
   */
  @Get(':id/auction')
  @ApiOperation({ operationId: 'getTaskAuction' })
  @ApiOkResponse({ type: ScoreboardDto, description: 'The scoreboard as the award was decided on.' })
  @ApiProblems(401, 403)
  @ApiProblem(404, {
    meaning:
      'There is no such task, it is not yours (`NOT_FOUND`), or its auction is still to come (`NO_AUCTION_YET`).',
    code: 'NO_AUCTION_YET',
    detail: 'This task has not been auctioned yet.',
  })
  auction(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<ScoreboardDto> {
    return this.tasks.scoreboard(caller, id);
  }

  /**
   * Ends a task that has not ended; a running agent is killed.
   * @param id UUID of the task
   */
  @Access('tasks:write')
  @Post(':id/cancel')
  @HttpCode(200)
  @ApiOperation({ operationId: 'cancelTask' })
  @ApiOkResponse({ type: TaskDto, description: 'The task, cancelled.' })
  @ApiProblems(401, 403, 404)
  @ApiProblem(409, {
    meaning: 'The task has ended.',
    code: 'ALREADY_ENDED',
    detail: 'The task is completed already.',
  })
  cancel(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<TaskDto> {
    return this.tasks.cancel(caller, id);
  }

  /**
   * Rates a completed task, once; the vote moves the rating of its agent.
   * @param id UUID of the task
   */
  @Access('tasks:write')
  @Post(':id/rating')
  @HttpCode(200)
  @ApiOperation({ operationId: 'rateTask' })
  @ApiOkResponse({ type: TaskDto, description: 'The task with your verdict.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @ApiProblem(409, {
    meaning: 'The task is not completed, or rated already.',
    code: 'NOT_RATEABLE',
    detail: 'Only a completed task can be rated, and only once.',
  })
  rate(@CurrentCaller() caller: Caller, @Param('id') id: string, @Body() { rating }: RateTaskDto): Promise<TaskDto> {
    return this.tasks.rate(caller, id, rating);
  }
}
