import {
  Body,
  Controller,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Post,
  Query,
  Res,
  type StreamableFile,
} from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { NeedsRoom } from '../common/needs-room.js';
import { ApiInsufficientCredits, ApiOverLimit } from '../ledger/index.js';
import { ApiDownload, BLOB_STORE, type BlobStore, RedirectQuery } from '../storage/index.js';
import { answerDocument } from './documents.controller.js';
import { idempotencyKey, MAX_WAIT_S, preferredWait } from './submission-headers.js';
import {
  ListTasksQuery,
  RateTaskDto,
  SubmitBatchDto,
  SubmitTaskDto,
  TaskBatchDto,
  TaskDto,
  TaskPage,
  TaskResultDto,
} from './task.dto.js';
import { isTerminal, TaskDocument } from '../tasks/index.js';
import { COMPLETED_TASK, QUEUED_TASK, SUBMISSION_EXAMPLES } from './task.examples.js';
import { TaskService } from './task.service.js';
import { TaskRetries } from './task-retries.js';
import { TaskSubmitter } from './task-submitter.js';

const ApiIdempotencyKey = () =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'Makes it safe to send the same request again: it is answered with what it became the first time. Yours alone; 1 to 255 visible ASCII characters.',
    schema: { type: 'string', maxLength: 255 },
  });

const KEY_REUSED = {
  meaning:
    'The `Idempotency-Key` came with another request before, or (`INPUT_UNKNOWN`) `input_ref` names no document of yours.',
  code: 'IDEMPOTENCY_KEY_REUSED',
  detail: 'This Idempotency-Key came with another request before: choose a new key for a new request.',
};

const QUEUE_FULL = {
  meaning: 'The queue is full; nothing was stored. `Retry-After` says when to try again.',
  code: 'QUEUE_FULL',
  detail: 'Queue full (limit 10000 waiting tasks). Nothing was stored. Retry after 5 s.',
};

const SHARE_EXCEEDED = {
  meaning:
    'Too many requests (`RATE_LIMITED`), or too many of your tasks wait: more than an account may have (`QUOTA_EXCEEDED`), or more than its fair share while others wait (`QUEUE_SHARE_EXCEEDED`). Tasks with a later start are counted apart. `Retry-After` says when to try again.',
  code: 'QUEUE_SHARE_EXCEEDED',
  detail:
    'This account has 2200 waiting tasks; 100 more are too many (its fair share of the 10000 places is 2250 now). Nothing was stored. Retry when some of its tasks have started, or cancel some.',
};

@ApiTags('tasks')
@Access('tasks:read')
@Controller('tasks')
export class TasksController {
  constructor(
    private readonly tasks: TaskService,
    private readonly submitter: TaskSubmitter,
    private readonly retries: TaskRetries,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
  ) {}

  /**
   * Submits a task.
   * @remarks The answer comes once the task is safely stored and its budget is held; an auction then picks the agent that does
   * it. Follow it by its events, or ask for it again. The agent's price is paid out of the budget when it completes; the rest,
   * or all of it if it does not complete, is released.
   */
  @Access('tasks:write')
  @Post()
  @HttpCode(202)
  @ApiOperation({ operationId: 'submitTask' })
  @NeedsRoom()
  @ApiBody({ type: SubmitTaskDto, examples: SUBMISSION_EXAMPLES })
  @ApiAcceptedResponse({
    type: TaskDto,
    description: 'The task, queued; `Location` is its address.',
    headers: { Location: { schema: { type: 'string' } } },
    example: QUEUED_TASK,
  })
  @ApiOkResponse({
    type: TaskDto,
    description: 'With `Prefer: wait`: the task, ended in time.',
    headers: { Location: { schema: { type: 'string' } }, 'Preference-Applied': { schema: { type: 'string' } } },
    example: COMPLETED_TASK,
  })
  @ApiIdempotencyKey()
  @ApiHeader({
    name: 'Prefer',
    required: false,
    description: `\`wait=N\`: answer once the task has ended, but after N seconds (at most ${MAX_WAIT_S}) as it then stands.`,
    schema: { type: 'string', example: 'wait=10' },
  })
  @ApiProblems(400, 401, 413, 415)
  @ApiOverLimit()
  @ApiInsufficientCredits()
  @ApiProblem(422, KEY_REUSED)
  @ApiProblem(429, SHARE_EXCEEDED)
  @ApiProblem(503, QUEUE_FULL)
  async submit(
    @CurrentCaller() caller: Caller,
    @Body() dto: SubmitTaskDto,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('prefer') prefer: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TaskDto> {
    const wait = preferredWait(prefer);
    const task = await this.submitter.submit(caller, dto, { key: idempotencyKey(key), waitMs: wait * 1000 });
    response.location(`/api/v1/tasks/${task.id}`);
    if (wait > 0) {
      response.setHeader('Preference-Applied', `wait=${wait}`);
      if (isTerminal(task.status)) response.status(200);
    }
    return task;
  }

  /**
   * Submits up to 1,000 tasks at once: all are stored, or none.
   * @remarks The whole body may be as large as that of a single task. `errors` name the place of a mistake, such as `tasks.17.budget`.
   */
  @Access('tasks:write')
  @Post('batch')
  @HttpCode(202)
  @ApiOperation({ operationId: 'submitTaskBatch' })
  @NeedsRoom()
  @ApiAcceptedResponse({ type: TaskBatchDto, description: 'The tasks, queued.' })
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 413, 415)
  @ApiOverLimit()
  @ApiInsufficientCredits()
  @ApiProblem(422, KEY_REUSED)
  @ApiProblem(429, SHARE_EXCEEDED)
  @ApiProblem(503, QUEUE_FULL)
  submitBatch(
    @CurrentCaller() caller: Caller,
    @Body() dto: SubmitBatchDto,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<TaskBatchDto> {
    return this.submitter.submitBatch(caller, dto, idempotencyKey(key));
  }

  /**
   * Your tasks, newest first.
   * @remarks Admins may name another account with `user_id`; the audit trail tells who has looked.
   */
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
   * @remarks Where the task has a `result_ref`, the answer is the result itself: a redirect to an address that has the bytes and
   * works for some minutes; with `redirect=false` the bytes, all or a `Range` of them. `HEAD` never redirects.
   * @param id UUID of the task
   */
  @Get(':id/result')
  @ApiOperation({ operationId: 'getTaskResult' })
  @ApiOkResponse({
    type: TaskResultDto,
    description: 'The outcome so far; or the result, where `result_ref` names it.',
  })
  @ApiDownload('application/json')
  async result(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { redirect }: RedirectQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TaskResultDto | StreamableFile | undefined> {
    const result = await this.tasks.result(caller, id);
    return result instanceof TaskDocument
      ? answerDocument(this.blobs, `result-${id}`, result, redirect, response)
      : result;
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
   * Repeats a failed task as a new one, which every agent may try. Its own budget is held.
   * @remarks The failed task stays as it is. A task has one retry: the same request again answers that retry and holds nothing.
   * If the retry fails too, retry the retry.
   * @param id UUID of the task
   */
  @Access('tasks:write')
  @Post(':id/retry')
  @HttpCode(202)
  @ApiOperation({ operationId: 'retryTask' })
  @NeedsRoom()
  @ApiAcceptedResponse({
    type: TaskDto,
    description: 'The new task; its `retry_of` names the failed one, and `Location` is its address.',
    headers: { Location: { schema: { type: 'string' } } },
  })
  @ApiProblems(401, 404)
  @ApiOverLimit()
  @ApiInsufficientCredits()
  @ApiProblem(409, {
    meaning: 'The task has not failed, or its deadline has passed.',
    code: 'NOT_RETRYABLE',
    detail: 'Only a failed task can be retried.',
  })
  @ApiProblem(429, SHARE_EXCEEDED)
  @ApiProblem(503, QUEUE_FULL)
  async retry(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TaskDto> {
    const task = await this.retries.retry(caller, id);
    response.location(`/api/v1/tasks/${task.id}`);
    return task;
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
