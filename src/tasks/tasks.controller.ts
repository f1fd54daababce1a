import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { ApiProblems } from '../common/api-problems.js';
import { ScoreboardDto } from './scoreboard.dto.js';
import { ListTasksQuery, RateTaskDto, SubmitTaskDto, TaskDto, TaskPage, TaskResultDto } from './task.dto.js';
import { TaskService } from './task.service.js';

@ApiTags('tasks')
@Controller('tasks')
export class TasksController {
  constructor(private readonly tasks: TaskService) {}

  /** Submits a task. The answer comes once it is safely stored; an auction then picks the agent that does it. */
  @Post()
  @HttpCode(202)
  @ApiProblems(400, 401, 413, 415)
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
  @ApiProblems(400, 401)
  list(@CurrentCaller() caller: Caller, @Query() query: ListTasksQuery): Promise<TaskPage> {
    return this.tasks.list(caller, query);
  }

  /** A task with its attempts and, once completed, its result. */
  @Get(':id')
  @ApiProblems(401, 404)
  get(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<TaskDto> {
    return this.tasks.get(caller, id);
  }

  /** How the task stands and, once it has ended, what came out. */
  @Get(':id/result')
  @ApiProblems(401, 404)
  async result(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<TaskResultDto> {
    const { status, result, error, cost } = await this.tasks.get(caller, id);
    return { id, status, result, error, cost };
  }

  /** Why this agent: every bid with every term of its score, and who was excluded for what reason. */
  @Get(':id/auction')
  @ApiProblems(401, 404)
  auction(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<ScoreboardDto> {
    return this.tasks.scoreboard(caller, id);
  }

  /** Ends a task that has not ended; a running agent is killed. */
  @Post(':id/cancel')
  @HttpCode(200)
  @ApiProblems(401, 404, 409)
  cancel(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<TaskDto> {
    return this.tasks.cancel(caller, id);
  }

  /** Rates a completed task, once; the vote moves the rating of its agent. */
  @Post(':id/rating')
  @HttpCode(200)
  @ApiProblems(400, 401, 404, 409)
  rate(@CurrentCaller() caller: Caller, @Param('id') id: string, @Body() { rating }: RateTaskDto): Promise<TaskDto> {
    return this.tasks.rate(caller, id, rating);
  }
}
