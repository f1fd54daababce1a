import { Controller, Get, Headers, Param, Query, Req, Res } from '@nestjs/common';
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
import { EventLog } from '../feed/index.js';
import { isTerminal, TaskService } from '../tasks/index.js';
import { EventPage, EventsQuery } from './event.dto.js';
import { EventStreamResponse } from './event-stream-response.js';
import { Hub } from './hub.js';

@ApiTags('tasks')
@Access('tasks:read')
@Controller('tasks/:id/events')
export class TaskEventsController {
  constructor(
    private readonly tasks: TaskService,
    private readonly log: EventLog,
    private readonly hub: Hub,
  ) {}

  /**
   * The history of a task; as server-sent events also its future.
   * @remarks With `Accept: text/event-stream` the past comes first and the stream goes on until the task has ended.
   * `Last-Event-ID` (or `after_seq`) resumes without gap or double.
   * @param id UUID of the task
   */
  @Get()
  @ApiOperation({ operationId: 'getTaskEvents' })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'SSE: resume after this `seq`.' })
  @ApiExtraModels(EventPage)
  @ApiProduces('application/json', 'text/event-stream')
  @ApiOkResponse({
    description: 'A page of events, or the stream of them.',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(EventPage) } },
      'text/event-stream': { schema: { type: 'string' }, example: 'id: 7\nevent: task.running\ndata: {"seq":7,…}\n\n' },
    },
  })
  @ApiNoContentResponse({ description: 'SSE: the task has ended, and there is nothing after the cursor.' })
  @ApiProblems(400, 401, 403, 404)
  async events(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() query: EventsQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const { status } = await this.tasks.owned(caller, id);
    if (request.accepts('application/json', 'text/event-stream') !== 'text/event-stream') {
      response.json(await this.page(id, query));
      return;
    }
    const afterSeq = /^\d{1,15}$/.test(lastEventId ?? '') ? Number(lastEventId) : query.after_seq;
    await this.stream(id, afterSeq, isTerminal(status), response);
  }

  private async page(id: string, { after_seq, limit }: EventsQuery): Promise<EventPage> {
    const events = await this.log.readTask(id, after_seq, limit + 1);
    const items = events.slice(0, limit);
    return { items, next_cursor: events.length > limit ? items[items.length - 1].seq : null };
  }

  private async stream(id: string, afterSeq: number, ended: boolean, response: Response): Promise<void> {
    const stream = new EventStreamResponse(response);
    const topic = { kind: 'task', id } as const;
    stream.onClose(() => this.hub.unsubscribe(topic, stream));
    let cursor = afterSeq;
    let complete = false;
    while (!complete && !response.destroyed) {
      await this.hub.subscribe(topic, stream, cursor, (past) => {
        for (const event of past.events) stream.deliver(event);
        cursor = past.events.at(-1)?.seq ?? cursor;
        complete = past.complete;
      });
    }
    // 204 tells a browser's EventSource, which reconnects after every end, that there is nothing more to come.
    if (ended && cursor === afterSeq) return stream.endEmpty();
    stream.open();
    if (response.destroyed) this.hub.unsubscribe(topic, stream);
    if (ended) stream.end();
  }
}
