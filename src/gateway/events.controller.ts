import { applyDecorators, Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import type { FeedEvent } from '../feed/index.js';
import { isTerminal } from '../tasks/index.js';
import { TaskService } from '../task-api/index.js';
import { EventFeed } from './event-feed.service.js';
import { EventPage, EventsQuery } from './event.dto.js';

/** What the feed's routes share in the OpenAPI document. */
const ApiFeed = (operationId: string) =>
  applyDecorators(
    ApiOperation({ operationId }),
    ApiHeader({ name: 'Last-Event-ID', required: false, description: 'SSE: resume after this `seq`.' }),
    ApiExtraModels(EventPage),
    ApiProduces('application/json', 'text/event-stream'),
    ApiOkResponse({
      description: 'A page of events, or a stream.',
      content: {
        'application/json': { schema: { $ref: getSchemaPath(EventPage) } },
        'text/event-stream': {
          schema: { type: 'string' },
          example: 'id: 7\nevent: task.running\ndata: {"seq":7,…}\n\n',
        },
      },
    }),
  );

@ApiTags('events')
@Access('tasks:read')
@Controller()
export class EventsController {
  constructor(
    private readonly tasks: TaskService,
    private readonly feed: EventFeed,
  ) {}

  /**
   * Everything about your tasks and agents, what your agents do for others, and announcements.
   * @remarks For other users' tasks you see states, outcomes and rounded figures; logs and errors only if the task
   *   shares them. With `Accept: text/event-stream` the past comes first and the stream continues with new events.
   *   `Last-Event-ID` (or `after_seq`) resumes without gaps or duplicates.
   */
  @Get('events')
  @ApiFeed('getEvents')
  @ApiProblems(400, 401, 403)
  async user(
    @CurrentCaller() caller: Caller,
    @Query() query: EventsQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await this.feed.answer(caller, { topic: { kind: 'user', id: caller.id } }, query, request, response);
  }

  /**
   * The history of a task; as server-sent events also its future.
   * @remarks With `Accept: text/event-stream` the past comes first and the stream continues until the task has ended.
   *   `Last-Event-ID` (or `after_seq`) resumes without gaps or duplicates.
   * @param id UUID of the task
   */
  @Get('tasks/:id/events')
  @ApiFeed('getTaskEvents')
  @ApiNoContentResponse({ description: 'SSE: the task has ended, and no event follows the cursor.' })
  @ApiProblems(400, 401, 403, 404)
  async task(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() query: EventsQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const task = await this.tasks.looked(caller, id, 'events');
    // Uses the id as events carry it: the request may have it in capitals.
    const topic = { kind: 'task', id: task.id } as const;
    const feed = { topic, isLast: endsTask, ended: isTerminal(task.status) };
    await this.feed.answer(caller, feed, query, request, response);
  }
}

const endsTask = ({ type }: FeedEvent): boolean =>
  type === 'task.completed' || type === 'task.failed' || type === 'task.cancelled';
